"""The saved queries of the page: one SQL file each, with title, domain and chart in its leading comment.

-- title: what the query shows
-- domain: ecommerce | data_science | operations
-- chart: the initial configuration of the viewer (JSON)
"""

import json
import re
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

_HEADER = re.compile(r"-- (title|domain|chart): (.+)\n")


@dataclass(frozen=True)
class Example:
    """One saved query. `chart` is a configuration of Perspective's viewer."""

    name: str
    title: str
    domain: str
    chart: dict[str, Any]
    sql: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@cache
def examples() -> tuple[Example, ...]:
    """All saved queries, in the order of their file names."""
    return tuple(map(_read, sorted(Path(__file__).parent.glob("*.sql"))))


def _read(path: Path) -> Example:
    text = path.read_text(encoding="utf-8")
    header = dict(_HEADER.findall(text))
    sql = _HEADER.sub("", text).strip()
    return Example(path.stem, header["title"], header["domain"], json.loads(header["chart"]), sql)
