"""Exact query results: values that Python or Arrow would change, or cannot represent, are returned as DuckDB's text.

Python has no months (an INTERVAL of two becomes 60 days), no infinite dates and no year beyond 9999; Arrow wraps large
numbers. The types of a result are described first, and columns of such types are cast to text.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb

from headrace.warehouse.query.read_only import is_explain

_ZONED = frozenset({"timestamp with time zone"})
_TIMES = frozenset({"timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns"})
IN_PYTHON = frozenset({"interval", "date"}) | _TIMES | _ZONED
"""Types that Python cannot represent exactly."""
IN_ARROW = frozenset({"interval", "uhugeint", "bit", "variant", "geometry", "time with time zone"})
"""Types that Arrow cannot represent exactly, or lacks."""
_MICROSECOND_DIGITS = 6
_UTC = "+00"

Shown = Callable[[Any], Any]


@dataclass(frozen=True)
class Question:
    """A statement to run, with the names and types of its columns before any cast."""

    sql: str
    columns: tuple[str, ...]
    types: tuple[str, ...]
    _shown: tuple[Shown, ...]

    def rows(self, fetched: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """The fetched rows, with times as `headrace.warehouse.query` prints them."""
        if all(shown is _as_it_is for shown in self._shown):
            yield from fetched
            return
        for row in fetched:
            yield tuple(shown(value) for shown, value in zip(self._shown, row, strict=True))


def question(connection: duckdb.DuckDBPyConnection, statement: str, kinds: frozenset[str] = IN_PYTHON) -> Question:
    """The statement with every column cast to text whose type contains one of `kinds`.

    Raises:
        duckdb.Error: any error of the statement.
    """
    if is_explain(statement):
        return Question(statement, ("explain_key", "explain_value"), ("VARCHAR", "VARCHAR"), (_as_it_is, _as_it_is))
    described = connection.execute(f"describe ({statement}\n)").fetchall()
    columns, types = tuple(row[0] for row in described), tuple(row[1] for row in described)
    cast = [_cast(connection.type(each), kinds) for each in types]
    if not any(target for target, _ in cast):
        return Question(statement, columns, types, tuple(_as_it_is for _ in cast))
    selected = ", ".join(
        f"cast(#{place} as {target})" if target else f"#{place}" for place, (target, _) in enumerate(cast, 1)
    )
    # DuckDB preserves the row order of the subquery.
    sql = f"select {selected} from ({statement}\n)"  # noqa: S608  the statement is a SELECT by DuckDB's own parser
    return Question(sql, columns, types, tuple(shown for _, shown in cast))


def _as_it_is(value: Any) -> Any:
    return value


def _cast(kind: Any, kinds: frozenset[str]) -> tuple[str | None, Shown]:
    """The type to cast to, None for no cast, and the function that formats a value of it."""
    if kind.id in kinds:
        return "VARCHAR", _zoned if kind.id in _ZONED else _time if kind.id in _TIMES else _as_it_is
    match kind.id:
        case "list" | "array":
            parts = dict(kind.children)
            inner, shown = _cast(parts["child"], kinds)
            size = parts.get("size", "")
            return (f"{inner}[{size}]", _each(shown)) if inner else (None, _as_it_is)
        case "struct":
            return _cast_struct(kind, kinds)
        case "map":
            (_, key), (_, value) = kind.children
            (to_key, key_shown), (to_value, value_shown) = _cast(key, kinds), _cast(value, kinds)
            if not (to_key or to_value):
                return None, _as_it_is
            return f"MAP({to_key or key}, {to_value or value})", _pairs(key_shown, value_shown)
        case _:
            return None, _as_it_is


def _cast_struct(kind: Any, kinds: frozenset[str]) -> tuple[str | None, Shown]:
    fields = [(name, field, *_cast(field, kinds)) for name, field in kind.children]
    if not any(to for _, _, to, _ in fields):
        return None, _as_it_is
    inner = ", ".join(f"{_quoted(name)} {to or field}" for name, field, to, _ in fields)
    return f"STRUCT({inner})", _fields({name: shown for name, _, _, shown in fields})


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _each(shown: Shown) -> Shown:
    return lambda value: None if value is None else [shown(item) for item in value]


def _fields(shown: dict[str, Shown]) -> Shown:
    return lambda value: None if value is None else {name: shown[name](item) for name, item in value.items()}


def _pairs(key: Shown, shown: Shown) -> Shown:
    return lambda value: None if value is None else {key(name): shown(item) for name, item in value.items()}


def _time(value: str | None) -> str | None:
    """Pads a fraction of a second to six digits, the precision of the type."""
    if value is None or "." not in value:
        return value
    whole, _, fraction = value.partition(".")
    return f"{whole}.{fraction.ljust(_MICROSECOND_DIGITS, '0')}"


def _zoned(value: str | None) -> str | None:
    """A time in UTC as RFC 3339; values that RFC 3339 cannot express, such as infinity, as DuckDB writes them."""
    if value is None or not value.endswith(_UTC) or "(BC)" in value:
        return value
    return f"{_time(value.removesuffix(_UTC))}Z".replace(" ", "T", 1)
