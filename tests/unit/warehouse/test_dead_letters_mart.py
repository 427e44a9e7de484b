"""The SELECT of `marts.dead_letters`: headers that cannot be read, and filters on its columns."""

import duckdb
import pytest

from headrace.contracts.topics import EVENT_TOPICS
from headrace.warehouse.tables import table

SQL = table("marts.dead_letters").sql
HEADERS = """
    (timestamptz '2026-03-01 00:00:00Z', [{'key': 'headrace.stage', 'value': 'source:x'::blob},
        {'key': 'headrace.reason', 'value': 'line 12'::blob}]),
    (timestamptz '2026-03-01 00:00:00Z', [{'key': 'headrace.stage', 'value': '\\xFF'::blob}]),
    (timestamptz '2026-03-01 00:00:00Z', []),
    (timestamptz '2026-03-01 00:00:00Z', null)
"""
ROWS = {("landing", "not UTF-#", 1), ("source:x", "line #", 1), ("unknown", "unknown", 3)}


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.execute("create schema raw")
    for topic in EVENT_TOPICS:
        connection.execute(
            f"create table raw.{topic.name}_dlq (_kafka_time timestamptz, _headers struct(key varchar, value blob)[])"
        )
        connection.execute(f"create table raw.{topic.name}_quarantine (_kafka_time timestamptz, _reason varchar)")
    connection.execute(f"insert into raw.orders_dlq values {HEADERS}")
    connection.execute("insert into raw.orders_quarantine values (timestamptz '2026-03-01 00:00:00Z', 'not UTF-8')")
    return connection


@pytest.mark.parametrize(
    ("condition", "stages"),
    [
        ("true", {"landing", "source:x", "unknown"}),
        ("stage = 'source:x'", {"source:x"}),
        ("reason like 'line%' and records > 0", {"source:x"}),
        ("stage in ('landing', 'unknown') and topic = 'orders'", {"landing", "unknown"}),
        ("starts_with(reason, 'un')", {"unknown"}),
        ("stage = (select 'landing') and rejected_date = date '2026-03-01'", {"landing"}),
    ],
)
def test_any_filter_selects_its_rows_of_the_dead_letters(
    connection: duckdb.DuckDBPyConnection, condition: str, stages: set[str]
) -> None:
    found = connection.execute(f"select stage, reason, records from ({SQL}) where {condition}").fetchall()
    assert set(found) == {row for row in ROWS if row[0] in stages}


def test_no_filter_is_computed_together_with_the_reading_of_headers(connection: duckdb.DuckDBPyConnection) -> None:
    ((_, plan),) = connection.execute(f"explain select * from ({SQL}) where stage = 'source:x'").fetchall()
    assert "CTE Name" in plan, "a barrier to filters"
