"""The saved queries of the SQL page use existing tables and columns."""

import json

import duckdb

from headrace.warehouse.sql_server.examples import examples
from headrace.warehouse.tables import all_tables


def test_the_saved_questions_ask_published_tables_and_chart_columns_that_they_select() -> None:
    published = {table.qualified: table for table in all_tables() if table.published}
    with duckdb.connect() as empty:
        for table in published.values():
            empty.execute(f"create schema if not exists {table.schema}")
            columns = ", ".join(f'"{name}" {_kind(name)}' for name in table.columns)
            empty.execute(f"create table {table.qualified} ({columns})")
        for example in examples():
            selected = {row[0] for row in empty.execute(f"describe {example.sql}").fetchall()}
            charted = [name for part in ("group_by", "split_by", "columns") for name in example.chart.get(part, [])]
            assert set(charted) <= selected, example.name
            assert json.dumps(example.as_json())
    assert {example.domain for example in examples()} == {"ecommerce", "data_science", "operations"}


def _kind(column: str) -> str:
    if column.endswith(("_date", "_on")):
        return "date"
    text = (
        "sku",
        "currency",
        "country",
        "channel",
        "description",
        "device",
        "platform",
        "language",
        "station",
        "subject",
        "weather",
        "topic",
    )
    return "varchar" if column in text else "double"
