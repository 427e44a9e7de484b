"""Training frames: rows of features as they were at a cutoff, and of what came after it, read from the lake.

The SQL files in this folder define the columns; the models interpret them. Customer features come from the statement
that builds `core.customer_features`, run for other moments, so there is only one definition.
"""

# ruff: noqa: S608  names and expressions are those of this package

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import duckdb
import polars as pl

from headrace.contracts.errors import Terminal
from headrace.contracts.features import MONEY_UNITS, CustomerFeatures
from headrace.warehouse.lake import Lake, quoted
from headrace.warehouse.statements import reading, with_cte
from headrace.warehouse.tables import table

FOLDER = Path(__file__).parent
LABEL = timedelta(days=30)
"""Orders up to this long after a cutoff count for its label."""
STEP = timedelta(days=15)
MAX_CUTOFFS = 50
HISTORY = timedelta(days=28)
"""The minimum history before a cutoff: with less, every customer is new."""
_TIMES = {
    "core.orders": "ordered_at",
    "core.web_events": "event_time",
    "core.web_sessions": "ended_at",
    "core.posts": "posted_at",
    "core.feedback": "submitted_at",
}
"""The event-time column of each table."""
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Rows:
    """The rows of a frame in order, the latest event time in the tables they come from, and the snapshot."""

    table: pl.DataFrame
    as_of: datetime
    snapshot: int


def behavior(lake: Lake, until: datetime | None = None) -> Rows:
    """Customers at cutoffs `STEP` apart, the last being `LABEL` before the latest order.

    `until` leaves out later events, here and in the other frames: the frame as it could have been built then.

    Raises:
        Terminal: there are no orders.
        Transient: PostgreSQL is unavailable.
    """
    with _reading(lake, "core.orders"):
        first, as_of = _range(lake, "core.orders", until)
        table = lake.connection.execute(_before(behavior_sql(behavior_cutoffs(first, as_of)), until)).pl()
        return Rows(table, as_of, lake.snapshot())


def behavior_at(documents: pl.DataFrame, cutoffs: Sequence[datetime]) -> pl.DataFrame:
    """The same rows from documents in memory, with the columns of `core.orders`, at the given cutoffs."""
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.register("documents", documents)
        connection.execute("create schema core")
        connection.execute("create table core.orders as from documents")
        return connection.execute(behavior_sql(cutoffs)).pl()


def behavior_cutoffs(first: datetime, as_of: datetime) -> list[datetime]:
    """Midnights, sorted: back from the latest whose label was complete at `as_of`, while the history is long enough."""
    last = datetime.combine((as_of - LABEL).date(), time(), UTC)
    cutoffs = (last - STEP * number for number in range(MAX_CUTOFFS))
    # With too little history the frame is empty: no customer ordered before the latest cutoff.
    return sorted(cutoff for cutoff in cutoffs if cutoff >= first + HISTORY) or [last]


def behavior_sql(cutoffs: Sequence[datetime]) -> str:
    """The SELECT of a frame of the behavior model."""
    values = ", ".join(f"(timestamptz {quoted(cutoff.isoformat())})" for cutoff in cutoffs)
    features = features_sql(_sql("behavior_moments"))
    return f"with cutoffs(cutoff) as (values {values}), features as ({features}\n), {_sql('behavior')}"


def features_sql(moments: str) -> str:
    """The statement of `core.customer_features` at other moments: a SELECT of `customer_id` and `feature_cutoff`."""
    return with_cte(table("core.customer_features").sql, "moments", moments)


def behavior_now(lake: Lake) -> Rows:
    """Every customer at the time of the latest order, without labels, for scoring.

    Raises:
        Terminal: there are no orders.
        Transient: PostgreSQL is unavailable.
    """
    with _reading(lake, "core.orders"):
        _, as_of = _range(lake, "core.orders", None)
        table = lake.connection.execute(behavior_sql([as_of])).pl()
        return Rows(table.drop("ordered", "spend"), as_of, lake.snapshot())


def silent_customers(lake: Lake, days: float) -> list[tuple[str, CustomerFeatures]]:
    """The features, as of the latest order of all customers, of those who have not ordered for `days` days.

    Raises:
        Terminal: there are no orders.
        Transient: PostgreSQL is unavailable.
    """
    rows = behavior_now(lake)
    names = [name for name in CustomerFeatures.__dataclass_fields__ if name in rows.table.columns]
    cutoff_us = (rows.as_of - _NEVER) // timedelta(microseconds=1)
    silent = rows.table.filter(pl.col("recency_days") >= days)
    return [
        (
            row["customer_id"],
            CustomerFeatures(
                cutoff_us=cutoff_us,
                monetary_units=round(row["monetary_value"] * MONEY_UNITS),
                **{name: row[name] for name in names},
            ),
        )
        for row in silent.iter_rows(named=True)
    ]


def latest(lake: Lake, tables: Iterable[str]) -> datetime:
    """The latest event time in these tables."""
    with _reading(lake, *tables):
        return max(_range(lake, name, None, required=False)[1] for name in tables)


def intent(lake: Lake, until: datetime | None = None) -> Rows:
    """Visits of people, as they were at their third page.

    Raises:
        Terminal: there are no visits.
        Transient: PostgreSQL is unavailable.
    """
    with _reading(lake, "core.web_sessions"):
        _, as_of = _range(lake, "core.web_events", until)
        return Rows(lake.connection.execute(_before(_sql("intent"), until)).pl(), as_of, lake.snapshot())


def sentiment(lake: Lake, until: datetime | None = None) -> Rows:
    """Posts and feedback that a person has judged, by a label or by stars.

    Raises:
        Terminal: there are no posts and no feedback.
        Transient: PostgreSQL is unavailable.
    """
    with _reading(lake, "core.posts", "core.feedback"):
        table = lake.connection.execute(_before(_sql("sentiment"), until)).pl()
        _, posts = _range(lake, "core.posts", until, required=False)
        _, as_of = _range(lake, "core.feedback", until, required=False)
        return Rows(table, max(posts, as_of), lake.snapshot())


@contextmanager
def _reading(lake: Lake, *tables: str) -> Iterator[None]:
    """One transaction, so that a frame reads one snapshot."""
    with lake.transaction():
        if missing := [name for name in tables if name not in lake.columns()]:
            raise Terminal(f"{', '.join(missing)} was not built yet.", remedy="Run `headrace build` first.")
        yield


def _before(sql: str, until: datetime | None) -> str:
    """The statement restricted to rows with an event time up to `until`."""
    if until is None:
        return sql
    moment = quoted(until.isoformat())
    earlier = {name: f"(from {name} where {column} <= timestamptz {moment})" for name, column in _TIMES.items()}
    return reading(sql, earlier)


def _range(lake: Lake, source: str, until: datetime | None, *, required: bool = True) -> tuple[datetime, datetime]:
    """The first and the last time in a table, in UTC."""
    column = _TIMES[source]
    sql = _before(f"select min({column}), max({column}) from {source}", until)
    ends = lake.connection.execute(sql).fetchone()
    if ends is None or ends[1] is None:
        if required:
            nothing = "is empty" if until is None else f"has nothing of before {until:%Y-%m-%d %H:%M}"
            raise Terminal(f"{source} {nothing}.", remedy="Ingest or simulate something, and run `headrace build`.")
        return _NEVER, _NEVER
    return ends[0].astimezone(UTC), ends[1].astimezone(UTC)


def _sql(name: str) -> str:
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8").strip().removesuffix(";")
