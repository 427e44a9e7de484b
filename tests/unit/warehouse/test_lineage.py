"""Lineage is what the SQL says: known answers, and for every table only columns that exist."""

import json

import pytest
from typer.testing import CliRunner

from headrace.cli import build_app
from headrace.contracts.errors import Terminal
from headrace.warehouse.catalog.lineage import column_lineage, trace
from headrace.warehouse.catalog.reference import column_types
from headrace.warehouse.tables import Table, all_tables, table


@pytest.mark.parametrize("each", all_tables(), ids=lambda each: each.qualified)
def test_every_column_is_made_from_columns_that_the_inputs_have(each: Table) -> None:
    types = column_types()
    found = column_lineage(each, types)
    assert list(found) == list(each.columns)
    for origins in found.values():
        assert all(source in each.inputs and column in types[source] for source, column in origins)
    # Only counts of rows are made from no column.
    assert any(found.values())


def test_a_value_is_traced_through_ctes_joins_and_windows() -> None:
    lineage = column_lineage(table("marts.customer_360"), column_types())
    assert lineage["country_of_residence"] == (("core.customers", "country"),)
    assert lineage["mean_rating"] == (("core.feedback", "rating"),)
    assert lineage["returned_revenue"] == tuple(
        ("core.customer_orders", column) for column in ("currency", "kind", "revenue")
    )
    assert lineage["feedback_submissions"] == ()


def test_a_column_goes_back_to_the_landed_records_and_forth_to_the_marts() -> None:
    (revenue,) = trace("marts.sales_daily.revenue")
    (of_orders,) = revenue.related
    assert (of_orders.table, of_orders.column) == ("core.orders", "revenue")
    assert [(each.table, each.column) for each in of_orders.related] == [
        ("raw.orders", column) for column in ("lines", "total", "verified")
    ]
    (rating,) = trace("core.feedback.rating", downstream=True)
    assert ("marts.feedback_daily", "mean_rating") in {(each.table, each.column) for each in rating.related}


def test_an_unknown_table_or_column_is_an_error_that_names_it() -> None:
    with pytest.raises(Terminal, match=r"no table marts\.nonsense"):
        trace("marts.nonsense")
    with pytest.raises(Terminal, match="no column nonsense"):
        trace("marts.sales_daily.nonsense")


def test_the_command_prints_a_tree_or_json() -> None:
    tree = CliRunner().invoke(build_app(), ["lineage", "marts.sales_daily.revenue"]).stdout
    assert [line.strip("│├└─ ") for line in tree.splitlines()] == [
        "marts.sales_daily.revenue",
        "core.orders.revenue",
        "raw.orders.lines",
        "raw.orders.total",
        "raw.orders.verified",
    ]
    printed = CliRunner().invoke(build_app(), ["lineage", "marts.sales_daily", "--json"]).stdout
    assert [each["column"] for each in json.loads(printed)][:2] == [
        "marts.sales_daily.sale_date",
        "marts.sales_daily.country",
    ]
