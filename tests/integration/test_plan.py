"""`headrace plan`: changed tables beside the real ones, and replacing them: all of them or none, also when killed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headrace import cli
from headrace.contracts.errors import Terminal
from headrace.contracts.exit_codes import ExitCode
from headrace.contracts.settings import Settings
from headrace.warehouse import build as builds
from headrace.warehouse.lake import Lake
from headrace.warehouse.shadow import building
from headrace.warehouse.shadow.applying import apply
from headrace.warehouse.tables import Table, all_tables, table
from tests.integration.building import build_from
from tests.integration.landed import Landing
from tests.integration.samples import order

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "how-to" / "plan-a-change.md"
SALES = "select orders, revenue from marts.sales_daily"
STATE = "select count(*) from ducklake_snapshots('lake')"


def changed_tables() -> list[Table]:
    """All tables, with another revenue and a new column in `core.orders`; the sums of `marts.sales_daily` follow."""
    sql = table("core.orders").sql
    more = sql.replace("else coalesce(revenue, 0)", "else coalesce(revenue, 0) * 2").replace(
        "    source,\n", "    source,\n    2 as scale,\n", 1
    )
    assert more.count("scale") == 1
    orders = replace(table("core.orders"), sql=more, definition="changed")
    orders = replace(orders, columns={**orders.columns, "scale": "Added."})
    return [orders if each.qualified == "core.orders" else each for each in all_tables()]


def of(names: Sequence[str], tables: Sequence[Table]) -> list[Table]:
    return [each for each in tables if each.qualified in names]


def planned(lake: Lake) -> building.ShadowPlan:
    return building.make(lake, of(("core.orders", "marts.sales_daily"), changed_tables()))


@pytest.fixture
def shop(fresh: Settings) -> tuple[Settings, Landing]:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "2.00")), order("2", ("A", 1, "3.00"))])
    build_from(fresh, "orders")
    return fresh, landing


def values(settings: Settings, sql: str) -> list[tuple[object, ...]]:
    with Lake.open(settings, read_only=True) as lake:
        return lake.connection.execute(sql).fetchall()


def test_a_plan_shows_what_differs_and_changes_nothing(shop: tuple[Settings, Landing]) -> None:
    settings, _ = shop
    before = values(settings, STATE)
    with Lake.open(settings, read_only=True) as lake:
        found = planned(lake)
    orders, sales = found.shadows
    assert (orders.reason, sales.reason) == ("changed", "reads a changed table")
    seen = orders.differences
    assert (seen.before, seen.after, seen.added, seen.removed, seen.changed) == (2, 2, 0, 0, 2)
    assert (seen.values, seen.new_columns) == ({"revenue": 2}, ["scale"])
    assert [(row.key["order_id"], [str(v) for v in row.values["revenue"]]) for row in seen.examples] == [
        ("1", ["2.0000", "4.0000"]),
        ("2", ["3.0000", "6.0000"]),
    ]
    assert sales.differences.values == {"gross_revenue": 1, "revenue": 1}
    assert not orders.is_behind
    assert values(settings, STATE) == before


def test_an_applied_plan_replaces_all_tables_at_once_and_the_next_build_agrees(
    shop: tuple[Settings, Landing], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, landing = shop
    tables = {each.qualified: each for each in changed_tables()}
    ((before,),) = values(settings, STATE)
    with Lake.open(settings) as lake:
        done = apply(lake, planned(lake))
        assert [(each.table, each.is_rebuilt) for each in done] == [
            ("core.orders", False),
            ("marts.sales_daily", False),
        ]
    assert values(settings, STATE) == [(int(str(before)) + 1,)]
    assert [str(revenue) for _, revenue in values(settings, SALES)] == ["10.0000"]
    monkeypatch.setattr(builds, "table_named", tables.__getitem__)
    with Lake.open(settings) as lake:
        again = [builds.build(lake, name) for name in ("core.orders", "marts.sales_daily")]
        assert [(each.inserted, each.updated, each.deleted) for each in again] == [(0, 0, 0)] * 2
    landing.land("orders", [order("3", ("A", 1, "5.00"))])
    with Lake.open(settings) as lake:
        builds.register(lake, "orders")
        for name in ("core.orders", "marts.sales_daily"):
            builds.build(lake, name)
    assert [str(revenue) for _, revenue in values(settings, SALES)] == ["20.0000"]


def test_a_plan_is_built_again_where_its_inputs_moved_on(shop: tuple[Settings, Landing]) -> None:
    settings, landing = shop
    with Lake.open(settings) as lake:
        found = planned(lake)
        landing.land("orders", [order("3", ("A", 1, "5.00"))])
        with Lake.open(settings) as other:
            builds.register(other, "orders")
        assert [each.is_rebuilt for each in apply(lake, found)] == [True, True]
    assert [str(revenue) for _, revenue in values(settings, SALES)] == ["20.0000"]


def test_a_table_that_cannot_be_built_or_breaks_an_audit_stops_the_plan(shop: tuple[Settings, Landing]) -> None:
    settings, _ = shop
    before = values(settings, SALES)
    orders, sales = of(("core.orders", "marts.sales_daily"), changed_tables())
    wrong = replace(sales, definition="wrong", sql=sales.sql.replace("where kind <> 'unverified'", "where false"))
    failing = replace(orders, sql=orders.sql.replace("2 as scale", "total.x as scale"))
    with Lake.open(settings) as lake:
        found = building.make(lake, [orders, wrong])
        assert [each.problem for each in found.shadows] == [None, "it would break: all orders are counted"]
        with pytest.raises(Terminal, match=r"marts\.sales_daily cannot be replaced, so nothing was"):
            apply(lake, found)
        found = building.make(lake, [failing, sales])
        assert "cannot be built" in (found.shadows[0].problem or "")
        assert found.shadows[1].problem == "it reads core.orders, which cannot be built"
    assert values(settings, SALES) == before


KILLED = """
import os, signal
from headrace.contracts.settings import Settings
from headrace.warehouse.lake import Lake
from headrace.warehouse.shadow import applying
from tests.integration.test_plan import planned
left = [int(os.environ["STEP"])]
def dying(of):
    def call(*args, **kwargs):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return of(*args, **kwargs)
    return call
with Lake.open(Settings()) as lake:
    found = planned(lake)
    applying.engine.write_computed = dying(applying.engine.write_computed)
    applying.lineage.keep = dying(applying.lineage.keep)
    lake.fence = dying(lake.fence)
    applying.apply(lake, found)
"""


def test_a_plan_killed_at_any_step_leaves_the_tables_as_they_were(shop: tuple[Settings, Landing]) -> None:
    settings, _ = shop
    before, snapshots = values(settings, SALES), values(settings, STATE)
    environment = {
        "HEADRACE_HOME": str(settings.home),
        "HEADRACE_POSTGRES_CONNINFO": settings.postgres_conninfo or "",
        "HEADRACE_DATABASE": settings.database,
        "PYTHONPATH": str(ROOT),
    }
    for step in (0, 1, 3):
        command = [sys.executable, "-c", KILLED]
        done = subprocess.run(command, env=os.environ | environment | {"STEP": str(step)}, cwd=ROOT, check=False)
        assert done.returncode == -9
        assert (values(settings, SALES), values(settings, STATE)) == (before, snapshots)
    build_from(settings, "orders")
    with Lake.open(settings) as lake:
        assert len(apply(lake, planned(lake))) == 2
    assert [str(revenue) for _, revenue in values(settings, SALES)] == ["10.0000"]


def test_the_command_prints_a_plan_for_people_and_for_programs(
    shop: tuple[Settings, Landing], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _ = shop
    for name in ("home", "postgres_conninfo", "database"):
        monkeypatch.setenv(f"HEADRACE_{name.upper()}", str(getattr(settings, name)))
    tables = of(("core.orders", "marts.sales_daily"), changed_tables())
    monkeypatch.setattr("headrace.warehouse.tables.all_tables", lambda: tuple(tables))
    shown = CliRunner().invoke(cli.build_app(), ["plan"])
    assert shown.exit_code == ExitCode.SUCCESS, shown.output
    assert "core.orders (changed)\n    rows: 2 before, 2 after: 0 added, 0 removed, 2 changed\n" in shown.output
    assert "      ~ order_id=1: revenue 2.0000 -> 4.0000\n" in shown.output
    done = CliRunner().invoke(cli.build_app(), ["plan", "core.orders", "--apply", "--yes", "--json"])
    document = json.loads(done.stdout)
    assert document["tables"][0]["values_that_differ"] == {"revenue": 2}
    assert [each["table"] for each in document["applied"]] == ["core.orders", "marts.sales_daily"]
    after = CliRunner().invoke(cli.build_app(), ["plan"]).output
    assert after.endswith("marts.product_trends: has no file any more; it stays as it is\nNo table has changed.\n")
    for line in re.findall(r"^    headrace (plan.*)$", GUIDE.read_text(), re.MULTILINE):
        assert CliRunner().invoke(cli.build_app(), line.split()).exit_code == ExitCode.SUCCESS
    wrong = CliRunner().invoke(cli.build_app(), ["plan", "core.ordres"])
    assert "Did you mean core.orders?" in str(wrong.exception)
