"""Reads mappings: a TOML file, or one that a package has ready, strictly. Errors name the key and the remedy."""

import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Struct

from headrace.contracts.errors import Terminal
from headrace.contracts.package_things import named_files
from headrace.streaming.sources.mapped.mapping import FieldKeys, FileKeys, Mapping, RowKeys, ValueKeys

OPEN = "?"
"""The value of a key that is still a question."""
MAX_MAPPING_BYTES = 1_000_000

S = TypeVar("S", bound=Struct)

TABLES: dict[str, type[Struct]] = {"file": FileKeys, "rows": RowKeys, "values": ValueKeys}
FIELD_TABLES = ("fields", "lines")


def _ready() -> dict[str, Path]:
    return named_files("mapping", "sources/mappings", ".toml")


def ready_names() -> list[str]:
    """The names of the mappings that the active packages have ready, in `sources/mappings/*.toml`.

    Raises:
        Terminal: two have the same name.
    """
    return sorted(_ready())


def ready_text(name: str) -> str:
    """The text of a ready mapping."""
    return _ready()[name].read_text(encoding="utf-8")


def load(name: str, answers: list[str]) -> Mapping:
    """The mapping in a file, or the ready one of that name, with `KEY=VALUE` answers in place of its own values.

    Raises:
        Terminal: no such file, not a mapping, or a question in it is still open.
    """
    raw = answered(parse(_text_of(name), name), answers)
    if still_open := list(open_questions(raw)):
        keys = " and ".join(still_open)
        raise Terminal(
            f"{name} still asks for {keys}.",
            remedy=f"Write the answer in place of the question mark, or add `--set '{still_open[0]}=…'`.",
        )
    return decode(raw, name)


def _text_of(name: str) -> str:
    if name in ready_names():
        return ready_text(name)
    try:
        with Path(name).open("rb") as handle:
            content = handle.read(MAX_MAPPING_BYTES + 1)
        if len(content) > MAX_MAPPING_BYTES:
            raise Terminal(f"{name} is too long for a mapping.", remedy="Give a TOML file with a mapping.")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise Terminal(
            f"There is no mapping {name}: {error.strerror}.",
            remedy=f"Give a file, or one of {', '.join(ready_names())}; `--write-map FILE` writes a first one.",
        ) from error
    except UnicodeDecodeError as error:
        raise Terminal(f"{name} is not UTF-8.", remedy="Give a TOML file with a mapping.") from error


def parse(text: str, name: str) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises:
        Terminal: it is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Terminal(f"{name} is not TOML: {error}.", remedy="Correct it.") from error


def decode(raw: dict[str, Any], name: str) -> Mapping:
    """The mapping of these tables.

    Raises:
        Terminal: an unknown key, or a value that it cannot have. The message names the key.
    """
    whole = dict(raw)
    for table, kind in TABLES.items():
        if table in whole:
            whole[table] = _converted(whole[table], kind, table, name)
    for table in FIELD_TABLES:
        given = whole.get(table, {})
        if not isinstance(given, dict):
            raise _invalid(name, table, "is not a table", f"Begin it by a line [{table}].")
        whole[table] = {
            field: _converted({"column": keys} if isinstance(keys, str) else keys, FieldKeys, f"{table}.{field}", name)
            for field, keys in given.items()
        }
    return _converted(whole, Mapping, "", name)


def _converted(given: object, kind: type[S], key: str, name: str) -> S:
    if not isinstance(given, dict):
        raise _invalid(name, key, "is neither a table nor a text", "See the reference of mappings.")
    known = kind.__struct_fields__
    for each in given:
        if each not in known:
            near = get_close_matches(str(each), known, 1)
            remedy = f"Did you mean `{near[0]}`?" if near else f"Its keys are {', '.join(known)}."
            raise _invalid(name, f"{key}.{each}".lstrip("."), "is no key of a mapping", remedy)
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        where = f"{key}{place.rstrip('`')}".lstrip(".")
        raise _invalid(name, where, f"is not valid: {reason[:1].lower()}{reason[1:]}", "Correct it.") from error


def _invalid(name: str, key: str, problem: str, remedy: str) -> Terminal:
    return Terminal(f"{name}: `{key}` {problem}.", remedy=remedy)


def open_questions(raw: object, prefix: str = "") -> Iterator[str]:
    """The keys whose value is a question mark."""
    if raw == OPEN and prefix:
        yield prefix
    elif isinstance(raw, dict):
        for key, value in raw.items():
            yield from open_questions(value, f"{prefix}.{key}".lstrip("."))
    elif isinstance(raw, list):
        for value in raw:
            yield from open_questions(value, prefix)


def answered(raw: dict[str, Any], answers: list[str]) -> dict[str, Any]:
    """The tables of a mapping with `KEY=VALUE` answers in place of its own values.

    Raises:
        Terminal: not of this form.
    """
    for answer in answers:
        _set(raw, answer)
    return raw


def _set(raw: dict[str, Any], answer: str) -> None:
    key, equals, value = answer.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        raise Terminal(f"`--set {answer}` is not KEY=VALUE.", remedy="Write `--set values.timezone=Europe/Berlin`.")
    table = raw
    for part in parts[:-1]:
        inner: object = table.setdefault(part, {})
        if isinstance(inner, str):
            inner = table[part] = {"column": inner}
        if not isinstance(inner, dict):
            raise Terminal(f"`{part}` in `--set {answer}` is no table.", remedy="Give the key of a mapping.")
        table = cast("dict[str, Any]", inner)
    table[parts[-1]] = _value(value.strip())


def _value(text: str) -> object:
    """A TOML value, or the text as it stands."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
