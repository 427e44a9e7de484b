"""Generates the reference page of mappings from their keys."""

from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from msgspec import NODEFAULT, Struct, inspect, structs

from headrace.streaming.sources.mapped.map_files import ready_names
from headrace.streaming.sources.mapped.mapping import FieldKeys, FileKeys, Ignore, Mapping, RowKeys, ValueKeys

_INTRODUCTION = """Generated from `streaming/sources/mapped/mapping.py` by `make docs`; edit the descriptions there.

A mapping is a TOML file that says which column of a file is which field of a topic. `headrace ingest file` reads files
by it; [Load your own files](../how-to/load-your-own-files.md) shows how. An unknown key, a value that a key cannot
have, a field that the topic does not have and a required field without a column are errors that name the key."""
_TABLES: tuple[tuple[str, type[Struct]], ...] = (
    ("At the top", Mapping),
    ("`[file]`", FileKeys),
    ("`[rows]`", RowKeys),
    ("`[[rows.ignore]]`", Ignore),
    ("`[values]`", ValueKeys),
    ("`[fields]` and `[lines]`", FieldKeys),
)
_INNER = ("file", "rows", "values", "fields", "lines")


def mappings_page() -> str:
    """`docs/reference/mappings.md`: every key of a mapping."""
    parts = ["# Mappings", _INTRODUCTION]
    for heading, kind in _TABLES:
        parts += [
            f"## {heading}",
            _about(kind),
            "\n".join(["| key | values | default | meaning |", "|---|---|---|---|", *_rows(kind)]),
        ]
    names = ", ".join(f"`{name}`" for name in ready_names())
    parts += [
        "## Ready mappings",
        f"`--map` also takes the name of one of these: {names}. They are files in `sources/mappings/` of the packages.",
    ]
    return "\n\n".join(parts) + "\n"


def _about(kind: type[Struct]) -> str:
    """The docstring, without the name of the table that begins it."""
    text = " ".join((kind.__doc__ or "").split())
    name, colon, rest = text.partition(": ")
    return rest[:1].upper() + rest[1:] if colon and name.endswith("`") else text


def _rows(kind: type[Struct]) -> list[str]:
    types = {field.name: field.type for field in structs.fields(kind)}
    info = inspect.type_info(kind)
    rows: list[str] = []
    for field in info.fields if isinstance(info, inspect.StructType) else ():
        if kind is Mapping and field.name in _INNER:
            continue
        declared, description = types[field.name], ""
        if isinstance(field.type, inspect.Metadata):
            description = str((field.type.extra_json_schema or {}).get("description", ""))
        default = "" if field.default in (NODEFAULT, None) else _shown(field.default)
        required = field.required and "required"
        rows.append(
            f"| `{field.name}` | {_values(declared)} | {required or default} | {description.replace('|', '&#124;')} |"
        )
    return rows


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_shown, value))
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"


def _values(declared: Any) -> str:
    """The values of a key in words."""
    origin = get_origin(declared)
    if origin is Literal:
        return "one of " + ", ".join(f"`{value}`" for value in get_args(declared))
    if hasattr(declared, "__metadata__"):
        return _values(declared.__origin__)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(_values(each) for each in get_args(declared) if each is not type(None)))
    if origin in (list, tuple):
        return f"list of {_values(get_args(declared)[0])}s"
    if origin is dict:
        return "table of texts"
    names = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`", Ignore: "rule"}
    return names[declared]
