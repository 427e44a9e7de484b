"""Former snapshots can be queried, a bad build can be undone, and later builds lose and double nothing."""

import random
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import typer
from typer.testing import CliRunner

from headrace.commands import history
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.warehouse import build as builds
from headrace.warehouse import tables
from headrace.warehouse.build import build
from headrace.warehouse.incremental.checks import unique_key
from headrace.warehouse.lake import Lake
from headrace.warehouse.query import run
from headrace.warehouse.tables import Table, parse
from headrace.warehouse.time_travel.history import diff, differing_rows, snapshots
from headrace.warehouse.time_travel.holds import release
from headrace.warehouse.time_travel.rollback import Rollback, rollback
from tests.integration.building import build_from, tables_from
from tests.integration.landed import Landing
from tests.integration.samples import at, hit, order

TOPICS = ("orders", "web_logs")
REVENUE = "select sum(revenue) from marts.sales_daily"


def revenue(settings: Settings, moment: str | None = None) -> Decimal:
    return run(settings, REVENUE, moment).rows[0][0]


def units(settings: Settings) -> int:
    """A wrong figure that no check of the mart detects."""
    return int(run(settings, "select sum(units) from marts.sales_daily").rows[0][0])


def content(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    with Lake.open(settings, read_only=True) as lake:
        return {
            each.qualified: sorted(lake.connection.execute(f"from {each.qualified}").fetchall(), key=repr)
            for each in tables_from(*TOPICS)
            if each.qualified in lake.columns()
        }


def current(settings: Settings) -> int:
    with Lake.open(settings, read_only=True) as lake:
        return lake.snapshot()


def undo(settings: Settings, to: int, *only: str) -> Rollback:
    with Lake.open(settings) as lake:
        return rollback(lake, to, only or None)


def altered(monkeypatch: pytest.MonkeyPatch, name: str, old: str, new: str) -> Table:
    """The table as if somebody had edited its file."""
    found = tables.table(name)
    schema, _, stem = name.partition(".")
    text = (tables.SQL_FOLDER / schema / f"{stem}.sql").read_text()
    assert old in text
    edited = parse(schema, stem, text.replace(old, new))
    everything = tuple(edited if each == found else each for each in tables.all_tables())
    for module in (tables, builds):
        monkeypatch.setattr(module, "table_named" if module is builds else "table",
                            lambda wanted: {each.qualified: each for each in everything}[wanted])  # fmt: skip
    monkeypatch.setattr("headrace.warehouse.time_travel.rollback.all_tables", lambda: everything)
    return edited


def test_the_warehouse_answers_as_of_a_snapshot_and_as_of_a_time(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "2.50"))])
    build_from(fresh, "orders")
    first = current(fresh)
    time.sleep(0.01)
    then = datetime.now(UTC).isoformat()
    landing.land("orders", [order("2", ("A", 1, "7.50"))])
    build_from(fresh, "orders")
    assert [revenue(fresh), revenue(fresh, then), revenue(fresh, str(first))] == [10, Decimal("2.5"), Decimal("2.5")]
    for moment, message in (
        ("2020-01-01", "no snapshot of 2020-01-01"),
        ("999999", "no snapshot"),
        ("noon", "neither"),
    ):
        with pytest.raises(Terminal, match=message):
            revenue(fresh, moment)


def test_differences_between_two_snapshots_are_counted_and_shown_row_by_row(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "2.50"))])
    build_from(fresh, "orders")
    start = current(fresh)
    landing.land("orders", [order("1", ("A", 2, "2.50"), version=2), order("2", ("B", 1, "1.00"), time=at(days=1))])
    build_from(fresh, "orders")
    with Lake.open(fresh, read_only=True) as lake:
        found = {each.table: each for each in diff(lake, start, lake.snapshot())}
        assert (found["marts.sales_daily"].inserted, found["marts.sales_daily"].updated) == (1, 1)
        assert (found["raw.orders"].inserted, found["raw.orders"].rows_after) == (2, 3)
        assert "core.web_events" not in found
        columns, rows = differing_rows(lake, "marts.sales_daily", start, lake.snapshot())
        place = columns.index("revenue")
        assert [(row[0], row[place]) for row in rows] == [("-", 2.5), ("+", 5), ("+", 1)]
        assert diff(lake, start, start) == []
        assert [each.id for each in snapshots(lake, 1, "raw.orders")] > [start]


def test_a_bad_build_is_undone_and_not_repeated_until_the_file_is_corrected(
    fresh: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "2.50"))])
    build_from(fresh, "orders")
    good, before = current(fresh), content(fresh)
    landing.land("orders", [order("2", ("A", 1, "7.50"))])
    with monkeypatch.context() as edit:
        altered(edit, "marts.sales_daily", "sum(units)::decimal(38, 0)", "0::decimal(38, 0)")
        build_from(fresh, "orders")
        assert units(fresh) == 0
        done = {each.table: each for each in undo(fresh, good).tables}
        assert content(fresh) == before
        assert [name for name, each in done.items() if each.held] == ["marts.sales_daily"]
        assert build_from(fresh, "orders")["marts.sales_daily"].held
        assert units(fresh) == 1
    build_from(fresh, "orders")
    assert units(fresh) == 2


def test_a_rollback_of_bad_data_holds_all_it_restored_until_they_are_released(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "2.50"))])
    build_from(fresh, "orders")
    good, before = current(fresh), content(fresh)
    landing.land("orders", [order("2", ("A", 1, "7.50"))])
    build_from(fresh, "orders")
    undo(fresh, good)
    results = build_from(fresh, "orders")
    assert all(result.held for name, result in results.items() if not name.startswith("raw."))
    assert content(fresh) == before
    with Lake.open(fresh) as lake:
        assert set(release(lake)) == {name for name in results if not name.startswith("raw.")}
        assert release(lake) == []
    build_from(fresh, "orders")
    assert revenue(fresh) == 10


@pytest.mark.parametrize("seed", range(2))
def test_builds_after_a_rollback_to_anywhere_lose_and_double_nothing(fresh: Settings, seed: int) -> None:
    chance = random.Random(seed)
    landing = Landing(fresh)
    marks = [0]
    for batch in range(3):
        landing.land("orders", [order(f"{batch}-{n}", ("A", n, "1.25"), time=at(days=n % 3)) for n in range(1, 6)])
        landing.land("web_logs", [hit(f"e{batch}-{n}", time=at(days=n % 3)) for n in range(5)])
        build_from(fresh, *TOPICS)
        marks.append(current(fresh))
    built = content(fresh)
    inner = chance.randrange(marks[1], marks[-1])  # within a build, too
    undo(fresh, inner)
    undo(fresh, chance.choice(marks[1:]))
    undo(fresh, marks[1], "core.orders", "marts.sales_daily")
    landing.land("orders", [order("late", ("B", 1, "3.00"), time=at(days=1))])
    with Lake.open(fresh) as lake:
        release(lake)
    build_from(fresh, *TOPICS)
    after = content(fresh)
    build_from(fresh, *TOPICS, full=True)
    assert content(fresh) == after
    assert len(after["core.orders"]) == len(built["core.orders"]) + 1
    assert after["core.web_events"] == built["core.web_events"]
    with Lake.open(fresh, read_only=True) as lake:
        assert all(unique_key(lake, each, each.qualified).passed for each in tables_from(*TOPICS))
        assert lake.value("select (count(*), count(distinct _offset)) from raw.orders") == (16, 16)


def test_a_rollback_restores_former_columns_partitions_and_comments(
    fresh: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    Landing(fresh).land("orders", [order("1", ("A", 1, "2.50"))])
    build_from(fresh, "orders")
    good, before = current(fresh), content(fresh)
    comments = "select column_name, comment from duckdb_columns() where table_name = 'product_trends' order by 1"
    commented = run(fresh, comments).rows
    with monkeypatch.context() as edit:
        altered(
            edit, "marts.product_trends", "    orders,\n    units,", "    orders as orders,\n    units * 2.5 as units,"
        )
        altered_types = build_from(fresh, "orders")["marts.product_trends"].columns
        undo(fresh, good)
    assert content(fresh) == before
    assert run(fresh, comments).rows == commented
    assert altered_types
    written = build_from(fresh, "orders", full=True)
    assert not any(each.inserted or each.updated or each.deleted for each in written.values())


def test_a_rollback_that_is_killed_before_it_commits_leaves_everything_as_it_was(
    fresh: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = Landing(fresh)
    for number in ("1", "2"):
        landing.land("orders", [order(number, ("A", 1, "2.50"))])
        build_from(fresh, "orders")
    now = content(fresh)

    def broken(lake: Lake) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "fence", broken)
        with pytest.raises(KeyboardInterrupt):
            undo(fresh, snapshots_of_mart(fresh)[-1])
    assert content(fresh) == now
    assert not build_from(fresh, "orders")["marts.sales_daily"].held


def snapshots_of_mart(settings: Settings) -> list[int]:
    with Lake.open(settings, read_only=True) as lake:
        return [each.id for each in snapshots(lake, 99, "marts.sales_daily")]


def test_raw_and_unknown_tables_are_not_part_of_a_rollback(fresh: Settings) -> None:
    Landing(fresh).land("orders", [order("1", ("A", 1, "2.50"))])
    build_from(fresh, "orders")
    for name in ("raw.orders", "marts.nothing"):
        with pytest.raises(Terminal, match=name):
            undo(fresh, current(fresh), name)


def test_the_commands_list_compare_undo_and_release(fresh: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("HOME", fresh.home), ("POSTGRES_CONNINFO", fresh.postgres_conninfo),
                        ("DATABASE", fresh.database)):  # fmt: skip
        monkeypatch.setenv(f"HEADRACE_{name}", str(value))
    app = typer.Typer(pretty_exceptions_enable=False)
    history.register(app)
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "2.50"))])
    build_from(fresh, "orders")
    good = str(current(fresh))
    landing.land("orders", [order("2", ("A", 1, "7.50"))])
    build_from(fresh, "orders")

    def output(*arguments: str) -> str:
        return CliRunner().invoke(app, ["warehouse", *arguments], catch_exceptions=False).stdout

    assert "marts.sales_daily" in output("snapshots")
    assert "marts.sales_daily" in output("diff", good)
    assert "7.5000" in output("diff", good, "--table", "core.orders")
    assert "marts.sales_daily: 1 rows restored, 1 removed; held" in output("rollback", good)
    assert revenue(fresh) == Decimal("2.5")
    assert "marts.sales_daily" in output("unhold")
    assert output("unhold") == "Nothing was held.\n"
    with Lake.open(fresh) as lake:
        assert build(lake, "core.orders").inserted == 1
