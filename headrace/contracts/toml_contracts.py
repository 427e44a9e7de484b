"""Contracts in TOML: a text becomes a topic with a contract, as if its class were declared in Python.

    about = "One reading of a water gauge."
    key = "station"

    [fields.station]
    type = "Identifier"
    about = "The gauge."

    [fields.unit]
    choices = ["m", "ft"]
    default = "m"
    about = "Unit of the level."

The reference is `docs/how-to/change-a-contract.md`. Writing such a text is the job of `toml_export`.
"""

import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta, Struct

from headrace.contracts import types
from headrace.contracts.toml_places import ContractError, Table
from headrace.contracts.topic import DAY_MS, DEAD_LETTER_SUFFIX, Topic
from headrace.contracts.types import Event, about
from headrace.contracts.versions import Upcast, versioned

TYPES: dict[str, Any] = {
    "Text": str,
    "Number": float,
    "Boolean": bool,
    **{
        name: getattr(types, name)
        for name in (
            *("Identifier", "Reference", "CustomerId", "Buyer", "Platform", "PostId"),
            *("Money", "MoneySum", "Integer", "Count", "Quantity", "Probability", "UtcTime"),
        )
    },
}
"""The types of fields by name: plain ones, and those of `headrace.contracts.types`."""

BOUNDS = {"minimum": "ge", "maximum": "le", "min_length": "min_length", "max_length": "max_length"}
"""Keys of a field that narrow its type, with their names in `msgspec.Meta`."""
_BOUNDED = {"Integer": int, "Number": float, "Text": str}
_TOPIC_KEYS = ("topic", "contract", "about", "key", "partitions", "retention_days", "compacted", "version")
_FIELD_KEYS = ("type", "about", "optional", "default", "choices", *BOUNDS)
_LIST_KEYS = ("type", "about", "optional", "contract", "items_about", "items")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TOPIC_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def topic_of(text: str, *, name: str, file: str, domain: Any) -> Topic:
    """The topic that a TOML text declares. `name` is its name unless the text gives one; errors name the `file`.

    Raises:
        ContractError: the text is not a contract. The message has the line, and the nearest valid name.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ContractError(f"{file}: this is not TOML: {error}.", remedy="Correct it there.") from None
    table = Table(raw, text, file)
    table.require_known((*_TOPIC_KEYS, "fields", "upcast"))
    topic = table.text("topic", name)
    if not _TOPIC_NAME.fullmatch(topic) or topic.endswith(DEAD_LETTER_SUFFIX):
        raise table.error("topic", f"{topic!r} is not a name of a topic", "Use a to z, 0 to 9 and _, a letter first.")
    fields = table.table("fields", needed=True)
    contract = msgspec.defstruct(
        table.text("contract", _class_name(topic)),
        [_field(fields.table(each)) for each in fields.names],
        bases=(Event,),
        kw_only=True,
        frozen=True,
        namespace={"__doc__": table.text("about")},
    )
    _require_new_names(fields)
    _declare_versions(table, contract)
    return Topic(
        name=topic,
        domain=domain,
        key=table.text("key"),
        contract=cast("type[Event]", contract),
        partitions=table.whole("partitions", 4, least=1, most=1_000),
        retention_ms=table.whole("retention_days", 30, least=1, most=36_500) * DAY_MS,
        compacted=table.boolean("compacted", otherwise=False),
    )


def _class_name(topic: str) -> str:
    return "".join(part.capitalize() for part in topic.split("_"))


def _field(table: Table) -> tuple[str, Any] | tuple[str, Any, Any]:
    """A field as `msgspec.defstruct` takes it."""
    if not _NAME.fullmatch(table.name):
        raise table.error(None, f"{table.name!r} is not a name of a field", "Use a to z, 0 to 9 and _, a letter first.")
    kind = _list(table) if "items" in table else _type(table)
    description = about(table.text("about"))
    optional = table.boolean("optional", otherwise=False)
    annotation = Annotated[kind | None if optional else kind, description]
    if "default" in table:
        return table.name, annotation, _default(table, annotation)
    return (table.name, annotation, None) if optional else (table.name, annotation)


def _list(table: Table) -> Any:
    table.require_known(_LIST_KEYS)
    if "type" in table and table.text("type") != "list":
        raise table.error("type", "a field with items is a list", 'Leave the type out, or write type = "list".')
    items = table.table("items", needed=True)
    element = msgspec.defstruct(
        table.text("contract", _class_name(table.name)),
        [_field(items.table(each)) for each in items.names],
        bases=(Struct,),
        kw_only=True,
        frozen=True,
        namespace={"__doc__": table.text("items_about", "")} if "items_about" in table else None,
        gc=False,
        omit_defaults=True,
        forbid_unknown_fields=True,
    )
    return list[element]


def _type(table: Table) -> Any:
    table.require_known(_FIELD_KEYS)
    if "choices" in table:
        choices = table.texts("choices")
        if "type" in table or any(bound in table for bound in BOUNDS):
            raise table.error("choices", "a field with choices has no type and no bounds", "Leave them out.")
        return Literal[tuple(choices)]
    name = table.choice("type", TYPES)
    bounds = {BOUNDS[key]: table.number(key) for key in BOUNDS if key in table}
    if not bounds:
        return TYPES[name]
    for key in (key for key in BOUNDS if key in table):
        if name not in _BOUNDED or ("length" in key) != (name == "Text"):
            raise table.error(
                key,
                f"{name} has no {key}",
                "Text has min_length and max_length; Integer and Number have minimum and maximum.",
            )
    widest = {"ge": types.INT64_MIN, "le": types.INT64_MAX} if name == "Integer" else {}
    return Annotated[_BOUNDED[name], Meta(**cast("dict[str, Any]", widest | bounds))]


def _default(table: Table, annotation: Any) -> Any:
    given = table.raw["default"]
    try:
        msgspec.convert(given, annotation)
    except msgspec.ValidationError as error:
        raise table.error(
            "default", f"the default is not valid: {error}", "Give a value of the field's type."
        ) from None
    return given


def _require_new_names(fields: Table) -> None:
    for name in fields.names:
        if name in Event.__struct_fields__:
            raise fields.error(name, f"every event has {name} already", "Leave it out.")


# --- versions ---------------------------------------------------------------------------------------------------------


def _declare_versions(table: Table, contract: type[Struct]) -> None:
    current = table.whole("version", 1, least=1, most=999)
    steps = table.table("upcast") if "upcast" in table else None
    upcasters: dict[int, Upcast] = {}
    for name in steps.names if steps else ():
        step = cast("Table", steps).table(name)
        if not name.isdecimal():
            raise step.error(None, f"{name!r} is not a version", "Name the version that is read: [upcast.1].")
        upcasters[int(name)] = _upcast(step)
    try:
        versioned(current, upcasters)(contract)
    except ValueError as error:
        remedy = f"Add [upcast.{current - 1}], or correct the version."
        raise table.error("version", str(error), remedy) from None
    _require_fields(steps, upcasters, contract.__struct_fields__)


def _upcast(step: Table) -> Upcast:
    step.require_known(("rename", "constants", "widen"))
    renames, widenings = (step.table(key) if key in step else None for key in ("rename", "widen"))
    try:
        return _described(step, renames, widenings)
    except ValueError as error:
        raise step.error("rename", str(error), "Raise the version by two.") from None


def _described(step: Table, renames: Table | None, widenings: Table | None) -> Upcast:
    return Upcast(
        {new: renames.text(new) for new in renames.names} if renames else {},
        dict(cast("Mapping[str, Any]", step.raw.get("constants", {}))),
        {each: widenings.choice(each, ("number", "money", "string")) for each in widenings.names} if widenings else {},
    )


def _require_fields(steps: Table | None, upcasters: Mapping[int, Upcast], fields: tuple[str, ...]) -> None:
    """Each name must be a field of the contract, or one that a later version renames."""
    known = set(fields)
    for version, upcast in sorted(upcasters.items(), reverse=True):
        step = cast("Table", steps).table(str(version))
        for key, names in (("rename", upcast.renames), ("constants", upcast.constants), ("widen", upcast.widenings)):
            for name in names:
                if name not in known:
                    raise step.table(key).unknown(name, known, "a field")
        known = (known - upcast.renames.keys()) | set(upcast.renames.values())
