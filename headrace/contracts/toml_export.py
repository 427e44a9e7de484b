"""A topic as a contract in TOML, which `toml_contracts` reads back as the same topic."""

import json
from collections.abc import Iterator
from typing import Any, cast

import msgspec
from msgspec import Struct, inspect

from headrace.contracts.errors import Terminal
from headrace.contracts.fields import Field, fields_of
from headrace.contracts.toml_contracts import BOUNDS, TYPES
from headrace.contracts.topic import DAY_MS, Topic
from headrace.contracts.types import INT64_MAX, INT64_MIN, Event
from headrace.contracts.versions import Upcast, versions_of

_TRAITS = ("kind", "minimum", "maximum", "min_length", "max_length", "digits", "names_customer")
_PLAIN = {"integer": "Integer", "number": "Number", "string": "Text"}


def toml(topic: Topic) -> str:
    """The text of a topic's contract.

    Raises:
        Terminal: an upcaster is a Python function.
    """
    contract = topic.contract
    if contract is None:
        raise ValueError(f"{topic.name} has no contract")
    versions = versions_of(contract)
    head: dict[str, Any] = {
        "topic": topic.name,
        "contract": contract.__name__,
        "about": contract.__doc__ or "",
        "key": topic.key,
        "partitions": topic.partitions,
        "retention_days": topic.retention_ms // DAY_MS,
        **({"compacted": True} if topic.compacted else {}),
        **({"version": versions.current} if versions.current > 1 else {}),
    }
    lines = [*_pairs(head), *_fields(contract, ("fields",))]
    for version, upcaster in sorted(versions.upcasters.items()):
        if not isinstance(upcaster, Upcast):
            raise Terminal(
                f"The upcaster of {topic.name} from version {version} is a Python function.",
                remedy="TOML has only renames, constants and widenings: declare it as an `Upcast`.",
            )
        parts = {"rename": upcaster.renames, "constants": upcaster.constants, "widen": upcaster.widenings}
        lines += ["", f"[upcast.{version}]", *_pairs({key: part for key, part in parts.items() if part})]
    return "\n".join(lines) + "\n"


def _fields(contract: type[Struct], path: tuple[str, ...]) -> Iterator[str]:
    info = cast("inspect.StructType", inspect.type_info(contract))
    for field, declared in zip(fields_of(contract), info.fields, strict=True):
        if path == ("fields",) and field.name in Event.__struct_fields__:
            continue
        element = _element(declared.type)
        own = (*path, field.name)
        given: dict[str, Any] = _list(element) if element else _typed(field)
        if field.nullable:
            given["optional"] = True
        if not field.required and (field.default is not None or not field.nullable):
            given["default"] = field.default
        yield from ("", f"[{'.'.join(own)}]", *_pairs({**given, "about": field.description}))
        if element:
            yield from _fields(element, (*own, "items"))


def _element(declared: inspect.Type) -> type[Struct] | None:
    """The class of a list's elements."""
    while isinstance(declared, inspect.Metadata):
        declared = declared.type
    members = declared.types if isinstance(declared, inspect.UnionType) else (declared,)
    for member in members:
        if isinstance(member, inspect.ListType) and isinstance(member.item_type, inspect.StructType):
            return member.item_type.cls
    return None


def _list(element: type[Struct]) -> dict[str, Any]:
    own = (element.__doc__ or "").strip()
    return {"type": "list", "contract": element.__name__, **({"items_about": element.__doc__} if own else {})}


def _typed(field: Field) -> dict[str, Any]:
    if field.choices is not None:
        return {"choices": list(field.choices)}
    traits = _traits(field)
    for name, known in _known().items():
        if known == traits:
            return {"type": name}
    bounds = {key: getattr(field, key) for key in BOUNDS}
    widest = {"minimum": INT64_MIN, "maximum": INT64_MAX} if field.kind == "integer" else {}
    return {
        "type": _PLAIN[field.kind],
        **{key: value for key, value in bounds.items() if value is not None and value != widest.get(key)},
    }


def _traits(field: Field) -> tuple[Any, ...]:
    return tuple(getattr(field, name) for name in _TRAITS)


def _known() -> dict[str, tuple[Any, ...]]:
    sample = msgspec.defstruct("Sample", [(name, kind) for name, kind in TYPES.items()])
    return {field.name: _traits(field) for field in fields_of(sample)}


def _pairs(values: dict[str, Any]) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in values.items()]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_value(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    # A string of JSON is one of TOML, but for the character DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
