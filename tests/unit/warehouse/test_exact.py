"""Values are printed as DuckDB stores them, not as Python would convert them."""

import json
from collections.abc import Iterator

import duckdb
import pytest

from headrace.warehouse.query import as_json, as_text
from headrace.warehouse.query.exact_values import IN_ARROW, question


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        made.execute("set timezone = 'UTC'")
        yield made


def value(connection: duckdb.DuckDBPyConnection, expression: str) -> object:
    asked = question(connection, f"select {expression} as a")
    assert asked.columns == ("a",)
    ((found,),) = asked.rows(connection.execute(asked.sql).fetchall())
    return found


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("interval 2 months", "2 months"),
        ("interval '1 year 3 days 04:05:06'", "1 year 3 days 04:05:06"),
        ("interval '1000000000 days'", "1000000000 days"),
        ("date 'infinity'", "infinity"),
        ("date '-infinity'", "-infinity"),
        ("date '0044-03-15 (BC)'", "0044-03-15 (BC)"),
        ("date '20000-01-01'", "20000-01-01"),
        ("date '2026-01-02'", "2026-01-02"),
        ("timestamp 'infinity'", "infinity"),
        ("timestamp '2026-01-02 03:04:05'", "2026-01-02 03:04:05"),
        ("timestamp '2026-01-02 03:04:05.5'", "2026-01-02 03:04:05.500000"),
        ("timestamp_ns '2026-01-02 03:04:05.123456789'", "2026-01-02 03:04:05.123456789"),
        ("timestamptz '-infinity'", "-infinity"),
        ("timestamptz '2026-01-02 03:04:05.000678+02'", "2026-01-02T01:04:05.000678Z"),
        ("timestamptz '0044-03-15 (BC) 00:00:00+00'", "0044-03-15 (BC) 00:00:00+00"),
        ("[interval 2 months, null]", '["2 months", null]'),
        ("{'a': date 'infinity', 'b \"c': 1.50}", '{"a": "infinity", "b \\"c": "1.50"}'),
        ("map {date 'infinity': [timestamptz '2026-01-02 00:00:00+00']}", '{"infinity": ["2026-01-02T00:00:00Z"]}'),
        ("null::interval", ""),
        ("2.50", "2.50"),
        ("340282366920938463463374607431768211455::uhugeint", "340282366920938463463374607431768211455"),
    ],
)
def test_a_value_is_printed_as_duckdb_has_it(connection: duckdb.DuckDBPyConnection, expression: str, text: str) -> None:
    found = value(connection, expression)
    assert as_text(found) == text
    if text and text[0] in "[{":
        assert json.loads(as_json(found)) == json.loads(text)


def test_names_types_and_the_order_of_rows_stay_as_they_were_asked(connection: duckdb.DuckDBPyConnection) -> None:
    asked = question(
        connection, "select i as a, date '2026-01-01' + i::integer as a from range(100000) t(i) order by i desc -- x"
    )
    assert (asked.columns, asked.types) == (("a", "a"), ("BIGINT", "DATE"))
    rows = list(asked.rows(connection.execute(asked.sql).fetchall()))
    assert [row[0] for row in rows] == list(range(99_999, -1, -1))
    assert rows[-1][1] == "2026-01-01"


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("interval '9000000 hours'", "9000000:00:00"),
        ("340282366920938463463374607431768211455::uhugeint", "340282366920938463463374607431768211455"),
        ("{'a': 1}::variant", "{'a': 1}"),
        ("'1010'::bit", "1010"),
    ],
)
def test_arrow_holds_text_where_it_would_change_a_value(
    connection: duckdb.DuckDBPyConnection, expression: str, text: str
) -> None:
    asked = question(connection, f"select {expression} as a, date '2026-01-01' as b", IN_ARROW)
    table = connection.execute(asked.sql).to_arrow_table()
    assert (table.column(0).to_pylist(), str(table.schema.field(1).type)) == ([text], "date32[day]")
