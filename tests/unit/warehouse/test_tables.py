"""The tables' files say all that the engine, the checks and the asset graph need, and say it truly."""

import pytest

from contracts.topics import TOPICS
from warehouse.catalog.reference import column_types
from warehouse.ingest.connect_staging import STAGED_TABLES
from warehouse.ingest.raw import declared_schemas, raw_tables
from warehouse.tables import InvalidTable, Table, all_tables, comes_apart, parse

TABLES = all_tables()
VALID = """-- One row per thing.
-- key: thing
-- case: ecommerce
-- description: Things.
-- scope: thing
-- input raw.orders: order_id
-- column thing: The thing.
select order_id as thing from raw.orders
"""


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.qualified)
def test_every_column_is_described_and_no_other(table: Table) -> None:
    assert list(column_types()[table.qualified]) == list(table.columns)
    assert table.grain.startswith("One row per ")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.qualified)
def test_references_and_inputs_exist(table: Table) -> None:
    known = {each.qualified: each for each in TABLES}
    raw = {name for name, _, _ in declared_schemas()} | STAGED_TABLES.keys()
    assert set(table.inputs) <= known.keys() | raw | {"meta.freshness"}
    for reference in table.references:
        assert set(reference.columns) <= table.columns.keys()
        assert set(reference.to_columns) <= known[reference.to].columns.keys()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.qualified)
def test_no_amount_or_time_is_stored_inexactly(table: Table) -> None:
    types = column_types()[table.qualified]
    # As the stations report them; ratios, each one division of whole numbers (`contracts/features.py`).
    measured = {"core.weather", "core.customer_features"}
    inexact = {"DOUBLE", "FLOAT"} if table.qualified not in measured else set[str]()
    # DuckDB writes HUGEINT to Parquet as a double.
    assert not set(types.values()) & (inexact | {"HUGEINT", "UHUGEINT", "TIMESTAMP"})


def test_tables_come_after_those_they_read() -> None:
    places = {table.qualified: place for place, table in enumerate(TABLES)}
    for table in TABLES:
        assert all(places[source] < places[table.qualified] for source in table.inputs if source in places)


def test_both_cases_reach_from_raw_to_marts() -> None:
    for case in ("ecommerce", "data_science"):
        assert {table.schema for table in TABLES if table.case == case} == {"core", "marts"}
    assert {table.topic for table in raw_tables()} == set(TOPICS)


@pytest.mark.parametrize(
    ("replaced", "by", "complaint"),
    [
        ("ecommerce", "ecommerce\n-- volume: nowhere", "no description of column nowhere"),
        (
            "thing\n-- input raw.orders: order_id",
            "thing, thing\n-- input raw.orders: d for 2 days, e for 3 days",
            "spans",
        ),
        ("-- key: thing\n", "", "lacks key"),
        ("ecommerce", "retail", "no case retail"),
        ("-- scope: thing\n", "", "either `append` or `scope`"),
        ("raw.orders: order_id", "raw.customers: order_id", "inputs read"),
        ("order_id\n-- column", "order_id, country\n-- column", "one expression for each"),
        ("-- column thing: The thing.\n", "", "no description of column thing"),
        ("-- description: Things.", "-- nonsense", "cannot read the header line"),
        ("select order_id", "delete", "not a SELECT"),
    ],
)
def test_a_file_that_breaks_the_form_is_refused(replaced: str, by: str, complaint: str) -> None:
    assert parse("core", "things", VALID).inputs == ("raw.orders",)
    with pytest.raises(InvalidTable, match=complaint):
        parse("core", "things", VALID.replace(replaced, by, 1))


def test_a_table_is_built_anew_for_what_decides_about_its_rows_and_not_for_a_description() -> None:
    before = parse("core", "a", VALID)
    assert parse("core", "a", VALID + "where true").definition != before.definition
    assert (
        parse("core", "a", VALID.replace("scope", "rule set: thing is not null\n-- scope", 1)).definition
        != before.definition
    )
    described = parse("core", "a", VALID.replace("The thing", "That thing"))
    assert (described.definition, described.documentation != before.documentation) == (before.definition, True)


def test_only_a_reference_into_another_topics_table_may_find_nothing_for_a_while() -> None:
    apart = {
        (table.qualified, each.to) for table in all_tables() for each in table.references if comes_apart(table, each)
    }
    assert apart == {("core.orders", "core.customers")}
