"""The tables' files declare all that the engine, the checks and the asset graph need, and the declarations hold."""

import re
from pathlib import Path

import pytest

from headrace.contracts import topics
from headrace.contracts.fields import fields_of
from headrace.contracts.topic import Topic
from headrace.contracts.topics import EVENT_TOPICS, TOPICS
from headrace.warehouse.catalog.reference import column_types
from headrace.warehouse.ingest.connect_staging import STAGED_TABLES
from headrace.warehouse.ingest.raw import declared_schemas, raw_tables
from headrace.warehouse.tables import SQL_FOLDER, InvalidTable, Table, all_tables, comes_apart, parse

TABLES = all_tables()
VALID = """-- grain: One row per thing.
-- key: thing
-- domain: ecommerce
-- description: Things.
-- materialized: incremental_by_group
-- group_by: thing
-- input raw.orders affects: order_id
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
    # As the stations report them; ratios, each one division of whole numbers (`headrace/contracts/features.py`).
    measured = {"core.weather", "core.customer_features"}
    inexact = {"DOUBLE", "FLOAT"} if table.qualified not in measured else set[str]()
    # DuckDB writes HUGEINT to Parquet as a double.
    assert not set(types.values()) & (inexact | {"HUGEINT", "UHUGEINT", "TIMESTAMP"})


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.qualified)
def test_a_description_of_a_contract_is_referred_to_and_not_copied(table: Table) -> None:
    text = (SQL_FOLDER / table.schema / f"{table.name}.sql").read_text()
    read = [TOPICS[name] for name in (each.removeprefix("raw.") for each in table.inputs) if name in TOPICS]
    described = {
        (each.name, each.description) for topic in read if topic.contract for each in fields_of(topic.contract)
    }
    assert [name for name, about in table.columns.items() if (name, about) in described and about in text] == []


def test_tables_come_after_those_they_read() -> None:
    places = {table.qualified: place for place, table in enumerate(TABLES)}
    for table in TABLES:
        assert all(places[source] < places[table.qualified] for source in table.inputs if source in places)


def test_both_cases_reach_from_raw_to_marts() -> None:
    for case in ("ecommerce", "data_science"):
        assert {table.schema for table in TABLES if table.domain == case} == {"core", "marts"}
    assert {table.topic for table in raw_tables()} == set(TOPICS)


@pytest.mark.parametrize(
    ("replaced", "by", "complaint"),
    [
        ("ecommerce", "ecommerce\n-- anomaly_check: nowhere", "no description of column nowhere"),
        (
            "thing\n-- input raw.orders affects: order_id",
            "thing, thing\n-- input raw.orders affects: d for 2 days, e for 3 days",
            "spans",
        ),
        ("-- key: thing\n", "", "lacks key"),
        ("ecommerce", "retail", "no domain retail"),
        ("-- grain: One row per thing.\n", "", "lacks grain"),
        ("-- group_by: thing\n", "", "goes with `group_by`"),
        ("-- group_by: thing", "-- group_by: thing\n-- event_time: thing", "without `event_time`"),
        ("incremental_by_group", "view", "it is incremental_append or incremental_by_group"),
        ("-- domain:", "-- case:", "`case:` is now `domain:`"),
        ("-- group_by:", "-- scope:", "`scope:` is now `materialized: incremental_by_group` and `group_by:`"),
        ("-- group_by:", "-- append:", "`append:` is now `materialized: incremental_append` and `event_time:`"),
        ("-- column", "-- rule set: true\n-- column", "`rule:` is now `row_check:`"),
        ("-- column", "-- require set: true\n-- column", "`require:` is now `audit:`"),
        ("-- column", "-- reference a: b (c)\n-- column", "`reference:` is now `foreign_key:`"),
        ("-- column", "-- volume: thing\n-- column", "`volume:` is now `anomaly_check:`"),
        ("-- column", "-- row_chek set: true\n-- column", "did you mean `row_check`"),
        (" affects:", ":", "-- input raw.orders affects: order_id"),
        ("-- column", "-- audit: true\n-- column", "-- audit NAME: VALUE"),
        ("-- column", "-- key: thing\n-- column", "has `key` twice"),
        ("raw.orders affects: order_id", "raw.customers affects: order_id", "the inputs are"),
        ("order_id\n-- column", "order_id, country\n-- column", "one expression for each"),
        ("-- column thing: The thing.\n", "", "no description of column thing"),
        ("-- description: Things.", "-- nonsense", "cannot read the header line"),
        ("select order_id", "delete", "not a SELECT"),
        ("order_id as thing", "{{ no_macro() }} as thing", "not a template: 'no_macro' is undefined"),
        ("select order_id", "select random()", "same rows must give the same result"),
        ("from raw.orders", "from raw.orders where event_time < now()", "same rows must give the same result"),
    ],
)
def test_a_file_that_breaks_the_form_is_rejected(replaced: str, by: str, complaint: str) -> None:
    assert parse("core", "things", VALID).inputs == ("raw.orders",)
    with pytest.raises(InvalidTable, match=complaint):
        parse("core", "things", VALID.replace(replaced, by, 1))


def test_a_table_is_rebuilt_for_what_decides_its_rows_and_not_for_a_description() -> None:
    before = parse("core", "a", VALID)
    assert parse("core", "a", VALID + "where true").definition != before.definition
    assert (
        parse("core", "a", VALID.replace("group_by", "row_check set: thing is not null\n-- group_by", 1)).definition
        != before.definition
    )
    described = parse("core", "a", VALID.replace("The thing", "That thing"))
    assert (described.definition, described.documentation != before.documentation) == (before.definition, True)


def test_only_a_reference_into_another_topics_table_may_find_nothing_for_a_while() -> None:
    apart = {
        (table.qualified, each.to) for table in all_tables() for each in table.references if comes_apart(table, each)
    }
    assert apart == {("core.orders", "core.customers")}


@pytest.mark.parametrize(
    ("schema", "name", "kinds"),
    [("core", "landing_latency_histogram", ("", "_quarantine")), ("marts", "dead_letters", ("_dlq", "_quarantine"))],
)
def test_a_new_topic_is_in_the_tables_of_all_topics_without_an_edit(
    schema: str, name: str, kinds: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (SQL_FOLDER / schema / f"{name}.sql").read_text()
    before = parse(schema, name, text)
    assert set(before.inputs) == {f"raw.{topic.name}{kind}" for topic in EVENT_TOPICS for kind in kinds}
    added = Topic("inventory", "ecommerce", "sku", TOPICS["orders"].contract, 1, 1)
    monkeypatch.setattr(topics, "EVENT_TOPICS", (*EVENT_TOPICS, added))
    after = parse(schema, name, text)
    assert set(after.inputs) - set(before.inputs) == {f"raw.inventory{kind}" for kind in kinds}
    assert after.sql.count("'inventory'") == 2
    assert after.definition != before.definition


@pytest.mark.parametrize("path", sorted(SQL_FOLDER.glob("*/*.sql")), ids=lambda path: path.stem)
def test_the_windows_that_deduplicate_and_wilsons_interval_are_written_once(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"(latest_arrival|_landed_at)( desc)?,\s*_topic_id", text)
    assert "3.8416" not in text
