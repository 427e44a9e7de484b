"""Training frames: rows of features as they were at a cutoff, and of what came after it, read from the lake.

What a frame holds is in the SQL beside this; the models say what they make of it. The customers' features are those of
`core.customer_features`, by the very statement that builds it, at other moments: there is no second definition.
"""

# ruff: noqa: S608  names and expressions are those of this package

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import duckdb
import polars as pl
import sqlglot
from sqlglot import exp

from contracts.errors import Terminal
from warehouse.lake import Lake, quoted
from warehouse.tables import table

FOLDER = Path(__file__).parent
LABEL = timedelta(days=30)
"""How far ahead of a cutoff an order counts. Two cutoffs that far apart share no day."""
STEP = timedelta(days=15)
MAX_CUTOFFS = 50
HISTORY = timedelta(days=28)
"""The least that must be known before a cutoff: before that every customer is new."""
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Rows:
    """A frame's rows, in their order; the latest time that anything they were read from is of; and the snapshot."""

    table: pl.DataFrame
    as_of: datetime
    snapshot: int


def behavior(lake: Lake) -> Rows:
    """Customers at cutoffs `STEP` apart, the last being `LABEL` before the latest order.

    Raises:
        Terminal: there are no orders.
        Transient: PostgreSQL is away.
    """
    with _reading(lake, "core.orders"):
        first, as_of = _range(lake, "ordered_at", "core.orders")
        table = lake.connection.execute(behavior_sql(behavior_cutoffs(first, as_of))).pl()
        return Rows(table, as_of, lake.snapshot())


def behavior_at(documents: pl.DataFrame, cutoffs: Sequence[datetime]) -> pl.DataFrame:
    """The same rows from documents in memory, in the columns of `core.orders`, at cutoffs of one's own."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("documents", documents)
        connection.execute("create schema core")
        connection.execute("create table core.orders as from documents")
        return connection.execute(behavior_sql(cutoffs)).pl()


def behavior_cutoffs(first: datetime, as_of: datetime) -> list[datetime]:
    """Midnights, the latest first whose label was complete at `as_of`, then back to where too little was known."""
    last = datetime.combine((as_of - LABEL).date(), time(), UTC)
    cutoffs = (last - STEP * number for number in range(MAX_CUTOFFS))
    # Without any cutoff the frame is empty, not wrong: the latest one then has no customers before it.
    return sorted(cutoff for cutoff in cutoffs if cutoff >= first + HISTORY) or [last]


def behavior_sql(cutoffs: Sequence[datetime]) -> str:
    """The SELECT of a frame of the behaviour model."""
    features = sqlglot.parse_one(table("core.customer_features").sql, dialect="duckdb")
    moments = next(cte for cte in features.find_all(exp.CTE) if cte.alias == "moments")
    moments.set("this", sqlglot.parse_one(_sql("behavior_moments"), dialect="duckdb"))
    values = ", ".join(f"(timestamptz {quoted(cutoff.isoformat())})" for cutoff in cutoffs)
    rendered = features.sql(dialect="duckdb", comments=False)
    return f"with cutoffs(cutoff) as (values {values}), features as ({rendered}), {_sql('behavior')}"


def intent(lake: Lake) -> Rows:
    """Visits of people, as they were at their third page.

    Raises:
        Terminal: there are no visits.
        Transient: PostgreSQL is away.
    """
    with _reading(lake, "core.web_sessions"):
        _, as_of = _range(lake, "event_time", "core.web_events")
        return Rows(lake.connection.execute(_sql("intent")).pl(), as_of, lake.snapshot())


def sentiment(lake: Lake) -> Rows:
    """Posts and feedback that a person has judged, by a label or by stars.

    Raises:
        Terminal: there are no posts and no feedback.
        Transient: PostgreSQL is away.
    """
    with _reading(lake, "core.posts", "core.feedback"):
        table = lake.connection.execute(_sql("sentiment")).pl()
        _, posts = _range(lake, "posted_at", "core.posts", required=False)
        _, as_of = _range(lake, "given_at", "core.feedback", required=False)
        return Rows(table, max(posts, as_of), lake.snapshot())


@contextmanager
def _reading(lake: Lake, *tables: str) -> Iterator[None]:
    """One transaction, so that all of a frame is of one snapshot."""
    with lake.transaction():
        if missing := [name for name in tables if name not in lake.columns()]:
            raise Terminal(f"{', '.join(missing)} was not built yet.", remedy="Run `headrace build` first.")
        yield


def _range(lake: Lake, column: str, source: str, *, required: bool = True) -> tuple[datetime, datetime]:
    """The first and the last time in a column, in UTC."""
    ends = lake.connection.execute(f"select min({column}), max({column}) from {source}").fetchone()
    if ends is None or ends[1] is None:
        if required:
            raise Terminal(f"{source} is empty.", remedy="Replay or simulate something, and run `headrace build`.")
        return _NEVER, _NEVER
    return ends[0].astimezone(UTC), ends[1].astimezone(UTC)


def _sql(name: str) -> str:
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8").strip().removesuffix(";")
