"""Values and rows in the notation of the files of tests: one row a line, in YAML that reads back as the same values."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

_PLAIN = re.compile(r"(?!(?:true|false|null)$)[A-Za-z_](?:[\w ./@%+-]*[\w./@%+-])?")
_TIME = re.compile(r"\d{4}-\d\d-\d\d(?:T[\d:.]+Z)?")


def row_text(row: Mapping[str, Any]) -> str:
    """A row as a flow mapping, such as `{order_id: A, revenue: 12.50}`."""
    return "{" + ", ".join(f"{_text(str(name))}: {value_text(value)}" for name, value in row.items()) + "}"


def value_text(value: Any) -> str:  # noqa: PLR0911  one return for each type
    """A value as a YAML scalar, flow sequence or flow mapping."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case Decimal():
            return f"{value:f}"
        case datetime():
            moment = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
            return f"{moment.isoformat()}Z"
        case date():
            return value.isoformat()
        case bytes():
            return _text(value.decode(errors="backslashreplace"))
        case Mapping():
            return row_text(value)  # pyright: ignore[reportUnknownArgumentType]
        case list() | tuple():
            return f"[{', '.join(map(value_text, value))}]"  # pyright: ignore[reportUnknownArgumentType]
        case _:
            return _text(str(value))


def _text(text: str) -> str:
    return text if _PLAIN.fullmatch(text) or _TIME.fullmatch(text) else json.dumps(text, ensure_ascii=False)
