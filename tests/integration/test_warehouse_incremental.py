"""Incremental builds give the same rows as full builds, and ingesting events again changes none."""

import os
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from headrace.contracts.delivery import STAGING
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.contracts.types import Event
from headrace.warehouse.build import BuildResult, build, register, register_together
from headrace.warehouse.build_cycle import BuildCycle, build_cycle, levels
from headrace.warehouse.incremental import engine
from headrace.warehouse.incremental.affected_groups import AFFECTED, find
from headrace.warehouse.incremental.checks import reference_checks
from headrace.warehouse.incremental.engine import Built, bring_up_to_date
from headrace.warehouse.incremental.facts import facts_of
from headrace.warehouse.incremental.plan import make_plan
from headrace.warehouse.lake import Lake, change_cache
from headrace.warehouse.quality.audit import audit_table, audit_topic
from headrace.warehouse.query import run
from headrace.warehouse.tables import Table, all_tables, parse, table
from tests.integration.building import build_all, build_from, tables_from
from tests.integration.delivered import deliver, prepare
from tests.integration.drawn import BATCH, EVERY_TABLE
from tests.integration.landed import Landing
from tests.integration.samples import at, customer, feedback, hit, order, post, weather

ARRIVAL = at(days=100)
Changes = tuple[int, int, int]
_MAY_BE_EMPTY = {"marts.basket_affinity", "marts.mart_freshness"}
"""Baskets are too small for a pair, and only `headrace build --watch` measures the latency of marts."""


def written(results: dict[str, BuildResult]) -> dict[str, Changes]:
    """Rows inserted, updated and deleted in the built tables that changed at all."""
    changes = {name: (result.inserted, result.updated, result.deleted) for name, result in results.items()}
    return {name: change for name, change in changes.items() if any(change) and not name.startswith("raw.")}


def rows(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    return run(settings, sql).rows


class _Story:
    """The events landed so far in one lake. An event id always stands for the same event."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._landing = Landing(settings, clock=lambda: self._arrival)
        self._arrival = ARRIVAL
        self._known: dict[str, dict[str, Event]] = {}
        self._delivered = 0
        prepare(settings, STAGING)

    def land(self, batch: dict[str, list[Event]], chance: random.Random) -> None:
        """Land the drawn events and some earlier ones again, on both partitions."""
        for topic, drawn in batch.items():
            known = self._known.setdefault(topic, {})
            again = chance.sample(sorted(known), min(2, len(known)))
            events = [known.setdefault(event.event_id, event) for event in drawn] + [known[each] for each in again]
            half = len(events) // 2
            # Partitions land in any order, so an event may land after others that arrived later.
            self._arrival = ARRIVAL + timedelta(minutes=chance.randint(0, 9))
            self._landing.land(topic, events[:half], quarantined=chance.randint(0, 1), partition=0)
            self._arrival = ARRIVAL + timedelta(minutes=chance.randint(0, 9))
            self._landing.land(topic, events[half:], partition=1)
            if topic == STAGING.topic:
                deliver(self._settings, STAGING, events, first=self._delivered)
                self._delivered += len(events)


@hypothesis.settings(
    # New examples at each run. The first one drawn is always the simplest; one that failed is repeated first.
    max_examples=int(os.environ.get("PROPERTY_EXAMPLES", "3")),
    deadline=None,
    print_blob=True,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(batches=st.lists(BATCH, min_size=2, max_size=3), seed=st.integers(0, 99))
def test_incremental_builds_of_any_events_in_any_order_equal_a_full_one(
    another: Callable[[], AbstractContextManager[Settings]], batches: list[dict[str, list[Event]]], seed: int
) -> None:
    with another() as own, Lake.open(own) as lake:
        story, chance = _Story(own), random.Random(seed)
        for number, batch in enumerate(batches):
            story.land(batch if number else {topic: [*EVERY_TABLE[topic], *batch[topic]] for topic in batch}, chance)
            if number % 2:
                # As the watching builder does: many tables in one transaction.
                build_cycle(lake, done := BuildCycle())
                assert not done.failed
            else:
                build_all(lake)
        for table in all_tables():
            assert audit_table(lake, table).passed, table.qualified
        assert audit_topic(lake, "web_logs").passed
        build_all(lake)
        for table in all_tables():
            assert differing(lake, table) == [], table.qualified
        rejected = _rejected(lake)
        assert written(build_all(lake, full=True)) == {}
        assert _rejected(lake) == rejected
        empty = {table.qualified for table in all_tables() if not lake.value(f"select count(*) from {table.qualified}")}
        assert empty <= _MAY_BE_EMPTY


def _rejected(lake: Lake) -> dict[str, list[tuple[Any, ...]]]:
    """All rows in quarantine, with the reasons."""
    names = [each.quarantine for each in all_tables() if each.quarantine is not None]
    return {name: lake.connection.execute(f"from {name} order by all").fetchall() for name in names}


def test_tables_are_built_after_those_that_they_read() -> None:
    wanted, done = {table.qualified for table in all_tables()}, set[str]()
    for level in levels():
        assert all(done >= wanted & set(table.inputs) for table in level)
        done |= {table.qualified for table in level}
    assert done == wanted


def test_of_tables_built_together_one_that_fails_leaves_out_only_what_reads_it(
    fresh: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "2.00"))])
    landing.land("social_media", [post("p")])

    def failing(lake: Lake, tables: Sequence[Table], *, full: bool, leave_out_failing: bool = False) -> list[Built]:
        if any(each.qualified == "core.posts" for each in tables):
            raise Terminal("Broken.", remedy="Mend it.")
        return bring_up_to_date(lake, tables, full=full)

    with Lake.open(fresh) as lake, monkeypatch.context() as patch:
        patch.setattr(engine, "bring_up_to_date", failing)
        build_cycle(lake, done := BuildCycle())
        assert done.failed == {"core.posts": "Broken. Mend it."}
        assert set(done.skipped) == {"marts.posts_daily"}
        assert lake.value("select sum(orders) from marts.sales_daily") == 1
        patch.undo()
        build_cycle(lake, done)
        assert (done.failed, done.skipped) == ({}, [])
        assert lake.value("select sum(posts) from marts.posts_daily") == 1


def _ages(settings: Settings) -> dict[str, tuple[bool, datetime | None, str | None]]:
    with duckdb.connect(str(settings.warehouse_file), read_only=True) as file:
        query = "select table_name, is_current, incomplete_since, reason from main.published_tables"
        return {name: tuple(age) for name, *age in file.execute(query).fetchall()}  # pyright: ignore[reportReturnType]


def test_a_mart_that_fails_is_published_with_its_last_rows_and_their_age(
    fresh: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "2.00"))])
    landing.land("customers", [customer("C1")])
    with Lake.open(fresh) as lake:
        build_cycle(lake, done := BuildCycle())
        assert set(_ages(fresh).values()) == {(True, None, None)}

        def failing(lake: Lake, tables: Sequence[Table], *, full: bool, leave_out_failing: bool = False) -> list[Built]:
            if any(each.qualified in ("marts.sales_daily", "core.customer_orders") for each in tables):
                raise Terminal("Broken.", remedy="Mend it.")
            return bring_up_to_date(lake, tables, full=full)

        landing.land("orders", [order("2", ("A", 1, "3.00"))])
        before = datetime.now(UTC)
        with monkeypatch.context() as patch:
            patch.setattr(engine, "bring_up_to_date", failing)
            build_cycle(lake, done)
            build_cycle(lake, done)
        ages = _ages(fresh)
        assert done.published is not None
        assert done.published.behind == {name: reason for name, (_, _, reason) in ages.items() if reason is not None}
        is_current, since, reason = ages["marts.sales_daily"]
        assert (is_current, reason) == (False, "Broken. Mend it.")
        assert since is not None
        assert before <= since <= datetime.now(UTC)
        assert ages["marts.customer_360"][0::2] == (False, "reads core.customer_orders")
        assert ages["marts.product_months"] == (True, None, None)
        with duckdb.connect(str(fresh.warehouse_file), read_only=True) as file:
            published = (
                "select (select sum(orders) from marts.sales_daily), (select sum(orders) from marts.product_months)"
            )
            assert file.execute(published).fetchall() == [(1, 2)]
            comment = "select comment from duckdb_tables() where table_name = 'sales_daily'"
            assert "These rows lack what has landed since" in str(file.execute(comment).fetchone())
        build_cycle(lake, done)
        assert set(_ages(fresh).values()) == {(True, None, None)}


def differing(lake: Lake, table: Table) -> list[tuple[Any, ...]]:
    """Rows that the table's SELECT over all its inputs yields and neither table nor quarantine has, or the reverse."""
    names = ", ".join(table.columns)
    held = f"select {names} from {table.qualified}"
    if table.quarantine:
        held += f" union all select {names} from {table.quarantine}"
    lake.connection.execute(f"create or replace temp table wanted as {table.sql}")
    both = (
        f"(select {names} from wanted except all ({held})) union all (({held}) except all select {names} from wanted)"
    )
    return lake.connection.execute(both).fetchall()


def test_ingesting_a_source_again_changes_no_row_and_no_snapshot_of_core_or_marts(fresh: Settings) -> None:
    landing = Landing(fresh)
    events_by_topic = {"orders": [order("1", ("A", 2, "2.55"))], "web_logs": [hit("e1")], "social_media": [post("p")]}
    for topic, events in events_by_topic.items():
        landing.land(topic, events)
    build_from(fresh, "orders", "web_logs", "social_media")
    with Lake.open(fresh) as lake:
        before = lake.snapshot()
    for topic, events in events_by_topic.items():
        landing.land(topic, events)
    assert written(build_from(fresh, "orders", "web_logs", "social_media")) == {}
    changed = rows(
        fresh,
        f"""
        select distinct table_name from ducklake_snapshots('lake') snapshots,
            unnest(map_values(changes)) as part(ids), unnest(ids) as one(id)
        join (select table_id::varchar as id, table_name from ducklake_table_info('lake')) using (id)
        where snapshot_id > {before}
        """,
    )
    assert {name for (name,) in changed} <= {
        "orders",
        "web_logs",
        "social_media",
        "watermarks",
        "landing_offsets",
        "fence",
        "checks",
    }
    assert rows(fresh, "select count(*), sum(revenue) from core.orders") == [(1, Decimal("5.1000"))]


def test_a_late_order_changes_exactly_its_rows(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order(str(n), ("A", 1, "2.00"), time=at(days=n)) for n in range(10)])
    build_from(fresh, "orders")
    landing.land("orders", [order("late", ("A", 3, "1.50"), time=at(days=4, minutes=5))])
    changes = written(build_from(fresh, "orders"))
    assert changes["core.orders"] == changes["core.order_lines"] == (1, 0, 0)
    assert changes["marts.sales_daily"] == (0, 1, 0)
    assert changes["core.products"] == (0, 1, 0)
    assert changes["marts.product_trends"] == (0, 6, 0)  # its day and those whose weeks reach back to it


def test_a_changed_group_is_found_once_for_any_number_of_changed_rows(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("first", ("A", 1, "2.00"), time=at(days=0))])
    build_from(fresh, "orders")
    landing.land("orders", [order(str(n), ("A", 1, "2.00"), time=at(days=n % 3)) for n in range(30)])
    with Lake.open(fresh) as lake:
        register(lake, "orders")
        build(lake, "core.orders")
        build(lake, "core.order_lines")
        sales = table("marts.sales_daily")
        assert find(lake, make_plan(sales, facts_of(lake, sales), full=False))
        assert lake.value(f"select count(*) from {AFFECTED}") == 3, "duplicate rows multiply in joins"


def test_the_last_changes_are_cached_for_readers_unless_more_has_changed(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("first", ("A", 1, "2.00"), time=at(days=0))])
    build_from(fresh, "orders")
    landing.land("orders", [order(str(n), ("A", n, "2.00"), time=at(days=1)) for n in range(1, 4)])
    query = "select order_id, revenue from {} order by all"
    asked = "(from ducklake_table_changes('lake', 'core', 'orders', {}, {}))"
    with Lake.open(fresh) as lake:
        read = lake.snapshot()
        register(lake, "orders")
        build(lake, "core.orders")
        first = lake.snapshot()
        kept = change_cache.changes(lake, "core.orders", read, first)
        assert kept is not None
        expected = lake.connection.execute(query.format(asked.format(read + 1, first))).fetchall()
        assert lake.connection.execute(query.format(kept)).fetchall() == expected
        assert len(expected) == 3
        assert change_cache.changes(lake, "core.orders", first, first) is None
        assert change_cache.changes(lake, "core.order_lines", read, first) is None
        landing.land("orders", [order("more", ("A", 9, "2.00"), time=at(days=2))])
        register(lake, "orders")
        build(lake, "core.orders")
        # It is only a part of what has changed since the watermark, and all since the build before.
        assert change_cache.changes(lake, "core.orders", read, lake.snapshot()) is None
        assert change_cache.changes(lake, "core.orders", first, lake.snapshot()) is not None
        with Lake.open(fresh) as other:
            other.write(lambda: (other.connection.execute("delete from core.orders"), other.fence()))
        assert change_cache.changes(lake, "core.orders", first, lake.snapshot()) is None
        build(lake, "core.orders", full=True)
        assert lake.kept_changes
        with pytest.raises(duckdb.Error), lake.transaction():
            lake.value("select error('any failure')")
        assert lake.kept_changes == {}


def test_removed_rows_are_never_reported_as_added(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "2.00")), order("2", ("B", 1, "2.00"))])
    build_from(fresh, "orders")
    with Lake.open(fresh) as lake:
        landing.land("orders", [order("1", ("A", 7, "2.00"), version=2)])
        before = lake.snapshot()
        register(lake, "orders")
        build(lake, "core.orders")
        assert change_cache.changes(lake, "core.orders", before, lake.snapshot()) is not None
        added = change_cache.insertions(lake, "core.orders", before, lake.snapshot())
        assert lake.connection.execute(f"select order_id, revenue from {added}").fetchall() == [("1", Decimal(14))]


def test_the_catalog_has_the_row_counts_of_tables(fresh: Settings) -> None:
    landing = Landing(fresh)
    with Lake.open(fresh) as lake:
        for number in range(5):
            # New rows, rows that change, and a post that goes.
            landing.land("orders", [order(str(n), ("A", 1, "2.00"), time=at(days=n)) for n in range(3 * number + 2)])
            landing.land("social_media", [post("1", text="hello"), post("2"), post("1", deleted=number > 2)])
            register_together(lake, ["orders", "social_media"])
            for name in ("core.orders", "core.posts", "core.order_lines", "core.products", "marts.product_months"):
                build(lake, name)
            if number == 3:
                lake.write(lambda: (lake.connection.execute("delete from core.products"), lake.fence()))
            counted = {name: rows for name, rows in lake.rows().items() if not name.startswith("meta.")}
            assert {"core.orders", "core.posts", "quarantine.core_orders", "raw.orders"} <= counted.keys()
            assert counted == {name: lake.value(f"select count(*) from {name}") for name in counted}


def test_how_late_a_topic_is_adds_up_over_its_minutes(fresh: Settings) -> None:
    landing, now = Landing(fresh), datetime.now(UTC)
    for number in range(3):
        landing.land(
            "orders",
            [order(f"{number}.{n}", ("A", 1, "2.00"), time=now - timedelta(seconds=7 * n)) for n in range(12)],
            quarantined=number,
        )
        with Lake.open(fresh) as lake:
            build_cycle(lake, BuildCycle())
    (reported,) = rows(
        fresh,
        "select sum(records), sum(quarantined), sum(late_events), max(max_lateness_s),"
        " min(median_lateness_s) <= min(p95_lateness_s), min(p95_landing_s) >= 0"
        " from marts.topic_freshness where topic = 'orders'",
    )
    (counted,) = rows(
        fresh,
        "select count(*), (select count(*) from raw.orders_quarantine),"
        " count(*) filter (where event_time < _kafka_time - interval 1 hour),"
        " max(ceil((epoch_ms(_landed_at) - epoch_ms(event_time)) / 1000))::bigint, true, true from raw.orders",
    )
    assert reported == counted
    lateness = "ceil((epoch_ms(_landed_at) - epoch_ms(event_time)) / 1000)"
    by_hour = f"select quantile_disc({lateness}, 0.5)::bigint from raw.orders group by date_trunc('hour', _landed_at)"
    assert sorted(rows(fresh, by_hour)) == sorted(
        rows(fresh, "select median_lateness_s from marts.topic_freshness where topic = 'orders'")
    )


def test_the_order_database_takes_precedence_over_the_log(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "2.00"), ("B", 1, "1.00"), channel="web")])
    build_from(fresh, "orders")
    landing.land("orders", [order("1", ("A", 1, "2.50"), channel="store")])
    assert written(build_from(fresh, "orders"))["core.order_lines"] == (0, 1, 1)
    landing.land("orders", [order("1", ("A", 9, "2.00"), channel="web", version=2)])
    assert written(build_from(fresh, "orders")) == {}
    assert rows(fresh, "select channel, orders, revenue from marts.sales_daily") == [("store", 1, Decimal("2.5000"))]


def test_unverified_purchases_are_kept_and_are_in_no_marts_revenue(fresh: Settings) -> None:
    landing = Landing(fresh)
    forged = {"channel": "web", "quality_flag": "unverified", "country": "Mars", "version": 9}
    landing.land(
        "orders",
        [
            order("1", ("A", 1, "2.00"), channel="web"),
            order("2", ("A", 1, "1000000.00"), time=at(1), **forged),
            order("3", ("A", 2, "500000.00"), time=at(2), customer_id="C3", **forged),
            order("3", ("A", 3, "2.00"), channel="web", time=at(3), customer_id="C3"),
            order("1", ("A", 9, "500000.00"), time=at(4), **forged),
            order("5", channel="web", currency="XXX", quality_flag="empty cart", time=at(5), customer_id=None),
        ],
    )
    landing.land("customers", [customer("C1"), customer("C3")])
    landing.land("web_logs", [hit("1")])
    build_from(fresh, "orders", "customers", "web_logs")
    kinds = rows(fresh, "select order_id, kind, revenue::integer from core.orders order by order_id")
    assert kinds == [("1", "order", 2), ("2", "unverified", 1_000_000), ("3", "order", 6), ("5", "order", 0)]
    assert rows(fresh, "select count(*), count(*) filter (where quality_flag = 'unverified') from core.web_orders") == [
        (6, 3)
    ]
    for table_name, measure in [
        ("sales_daily", "revenue"),
        ("sales_by_residence", "revenue"),
        ("product_months", "revenue"),
        ("product_trends", "revenue_28d"),
        ("cohort_retention", "revenue"),
        ("conversion_funnel", "revenue"),
    ]:
        assert rows(fresh, f"select sum({measure})::integer from marts.{table_name}") == [(8,)], table_name
    assert rows(fresh, "select distinct country from marts.sales_daily order by 1") == [("France",)]
    funnel = (
        "select sum(orders), sum(unverified_orders), sum(orders_in_other_currencies), max(currency)"
        " from marts.conversion_funnel"
    )
    assert rows(fresh, funnel) == [(3, 3, 1, "GBP")]
    assert rows(fresh, "select sum(orders), sum(monetary_value)::integer from core.customer_features") == [(2, 8)]


def test_a_signed_purchase_counts_its_signed_total_for_any_content_of_its_cart(fresh: Settings) -> None:
    signed: dict[str, Any] = {"channel": "web", "verified": True, "customer_id": "C1"}
    landing = Landing(fresh)
    landing.land(
        "orders",
        [
            order("1", ("A", 2, "500000.00"), ("B", 1, "0.01"), total="1.00", quality_flag="total mismatch", **signed),
            # A discount of a tenth, and postage of 2.00 that no line is for.
            order("2", ("A", 1, "6.00"), ("B", 1, "4.00"), total="9.00", quality_flag="total mismatch", **signed),
            order("3", ("A", 1, "6.00"), total="8.00", quality_flag="total mismatch", **signed),
            order("4", total="3.00", quality_flag="empty cart", **signed),
            order("5", ("B", 2, "2.50"), total="5.00", **signed),
        ],
    )
    landing.land("customers", [customer("C1")])
    landing.land("web_logs", [hit("1")])
    build_from(fresh, "orders", "customers", "web_logs")
    assert rows(fresh, "select sum(revenue)::double from core.customer_orders") == [(26,)]
    orders = rows(fresh, "select order_id, revenue::double, reported_total::double from core.orders order by 1")
    assert orders == [("1", 1, 1), ("2", 9, 9), ("3", 8, 8), ("4", 3, 3), ("5", 5, 5)]
    by_line = "select order_id, list(revenue::double order by line_number) from core.order_lines group by 1 order by 1"
    assert rows(fresh, by_line) == [("1", [1, 0]), ("2", [5.4, 3.6]), ("3", [6]), ("5", [5])]
    for table_name, measure, brought_in in [
        ("sales_daily", "revenue", 26),
        ("sales_by_residence", "revenue", 26),
        ("cohort_retention", "revenue", 26),
        ("conversion_funnel", "revenue", 26),
        ("product_months", "revenue", 21),
        ("product_trends", "revenue_28d", 21),
    ]:
        found = rows(fresh, f"select sum({measure})::double from marts.{table_name}")
        assert found == [(brought_in,)], table_name
    assert rows(fresh, "select sum(flagged_orders) from marts.conversion_funnel") == [(4,)]
    assert rows(fresh, "select orders, monetary_value::double from core.customer_features") == [(5, 26)]


def test_random_record_times_change_neither_orders_nor_customers_nor_observations(fresh: Settings) -> None:
    chance = random.Random(14)
    moments = [at(days=-20_000), at(days=-1), at(minutes=-0.03), at(), at(days=1), at(days=9_000)]
    landing = Landing(fresh, lambda: chance.choice(moments))
    for number in range(12):
        order_id, customer_id = f"O{number}", f"C{number}"
        corrected = order(order_id, ("A", 1, "20.00"), time=at(days=-30_000), version=2)
        original = order(order_id, ("A", 1, "10.00"), time=at(days=-30_000))
        landing.land("orders", [original, corrected, original])
        born = customer(customer_id, time=at(days=-30_000))
        back = [customer(customer_id, time=at(days=-29_000))] * (number % 2 == 0)
        landing.land("customers", [born, None, *back], key=customer_id)
        landing.land(
            "weather_data",
            [weather(station=f"S{number}", version=each, temperature_c=float(each)) for each in (1, 2)],
        )
    build_from(fresh, "orders", "customers", "weather_data")
    assert rows(fresh, "select distinct revenue from core.orders") == [(Decimal("20.0000"),)]
    current = "select customer_id from core.customers where is_current order by length(customer_id), customer_id"
    assert rows(fresh, current) == [(f"C{number}",) for number in range(0, 12, 2)]
    assert rows(fresh, "select distinct temperature_c from core.weather") == [(2.0,)]


def test_a_sale_is_in_the_windows_of_the_next_28_days_of_its_product_and_no_others(fresh: Settings) -> None:
    landing = Landing(fresh)
    days = (0, 1, 26, 27, 28, 60)
    landing.land(
        "orders",
        [order(f"{sku}{day}", (sku, 1, "2.00"), time=at(days=day)) for sku in ("A", "B") for day in days],
    )
    build_from(fresh, "orders")
    landing.land("orders", [order("late", ("A", 5, "2.00"), time=at(days=0, minutes=1))])
    assert written(build_from(fresh, "orders"))["marts.product_trends"] == (0, 4, 0)
    trend = (
        "select units_7d, units_28d, days_since_last_sale from marts.product_trends where sku = 'A' order by sale_date"
    )
    assert rows(fresh, trend) == [(6, 6, None), (7, 7, 1), (1, 8, 25), (2, 9, 1), (3, 4, 1), (1, 1, None)]


def test_only_the_existence_of_a_deleted_post_is_kept(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("social_media", [post("p1"), post("p2"), post("p3", time=at(days=1))])
    build_from(fresh, "social_media")
    landing.land("social_media", [post("p1", time=at(minutes=9), deleted=True, text=None)])
    changes = written(build_from(fresh, "social_media"))
    assert changes == {"core.posts": (0, 1, 0), "marts.posts_daily": (0, 1, 0)}
    assert rows(fresh, "select author, text, is_deleted from core.posts where post_id = 'p1'") == [(None, None, True)]
    assert rows(fresh, "select posts, deleted from marts.posts_daily order by posted_date") == [(1, 1), (1, 0)]
    landing.land("social_media", [post("p1", time=at(minutes=20), text="edited after all")])
    build_from(fresh, "social_media")
    assert rows(fresh, "select text from core.posts where post_id = 'p1'") == [(None,)]


def test_customers_are_a_type_2_dimension(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("customers", [customer("C1"), customer("C1", time=at(days=2), country="Spain")])
    build_from(fresh, "customers")
    landing.land("customers", [customer("C1", time=at(days=1), country="Italy")])
    assert written(build_from(fresh, "customers"))["core.customers"] == (1, 1, 0)
    spans = "select country, valid_from, valid_to, is_current from core.customers order by valid_from"
    assert rows(fresh, spans) == [
        ("France", at(), at(days=1), False),
        ("Italy", at(days=1), at(days=2), False),
        ("Spain", at(days=2), None, True),
    ]
    landing.land("customers", [customer("C1", time=at(days=3), deleted=True), None])
    assert written(build_from(fresh, "customers"))["core.customers"] == (0, 1, 0)
    assert rows(fresh, "select count(*) from core.customers where is_current") == [(0,)]


def test_a_tombstone_alone_closes_a_customer(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("customers", [customer("C1", time=at(days=-100)), None])
    build_from(fresh, "customers")
    assert rows(fresh, "select is_current from core.customers") == [(False,)]


def test_a_later_observation_corrects_the_one_before_it(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("weather_data", [weather(), weather(time=at(60))])
    build_from(fresh, "weather_data")
    landing.land("weather_data", [weather(version=2, temperature_c=9.75)])
    assert written(build_from(fresh, "weather_data")) == {"core.weather": (0, 1, 0), "marts.weather_daily": (0, 1, 0)}
    assert rows(fresh, "select mean_temperature_c, max_temperature_c from marts.weather_daily") == [
        (Decimal("8.50"), Decimal("9.75"))
    ]


def test_visits_go_by_session_id_else_by_half_an_hour_without_a_request(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land(
        "web_logs",
        [
            hit("1", path="/a", referrer="https://www.google.com/"),
            hit("2", time=at(10), session_id="s", pixel_event="add_to_cart"),
            hit("3", time=at(12)),
            hit("4", time=at(50), path="/b"),
            hit("5", time=at(75)),
            hit("6", time=at(1), visitor_id="bot", client_id="b", is_bot=True, device="bot"),
        ],
    )
    build_from(fresh, "web_logs", "orders")
    visits = "select session_id, requests, add_to_cart_events, landing_path from core.web_sessions"
    assert rows(fresh, f"{visits} where not is_bot order by started_at") == [("s", 3, 1, "/a"), (None, 2, 0, "/b")]
    funnel = "select traffic_source, sessions, sessions_with_cart, abandonment_pct from marts.conversion_funnel"
    assert rows(fresh, f"{funnel} order by traffic_source") == [
        ("direct", 1, 0, None),
        ("search", 1, 1, Decimal("100.00")),
    ]
    assert rows(fresh, "select traffic_source from core.web_sessions where session_id = 's'") == [("search",)]
    landing.land("web_logs", [hit("7", time=at(30))])  # joins the two visits
    build_from(fresh, "web_logs", "orders")
    assert rows(fresh, f"{visits} where not is_bot order by started_at") == [("s", 6, 1, "/a")]


def test_a_changed_file_rebuilds_its_table_and_those_that_read_it(
    fresh: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headrace.warehouse import build as build_module
    from headrace.warehouse.tables import SQL_FOLDER

    landing = Landing(fresh)
    landing.land("customer_feedback", [feedback("f1", rating=4), feedback("f2", rating=1)])
    build_from(fresh, "customer_feedback")
    text = (SQL_FOLDER / "core" / "feedback.sql").read_text()
    changed = text.replace("    rating,\n", "    rating + 1 as rating,\n    2 as scale,\n")
    changed = changed.replace("-- column title:", "-- column scale: Added.\n-- column title:")
    tables = {
        "core.feedback": parse("core", "feedback", changed),
        "marts.feedback_daily": table("marts.feedback_daily"),
    }
    monkeypatch.setattr(build_module, "table_named", tables.__getitem__)
    with Lake.open(fresh) as lake:
        rebuilt = build(lake, "core.feedback")
        assert ("scale", "INTEGER", "Added.") in rebuilt.columns
        build(lake, "marts.feedback_daily")
    assert rows(fresh, "select mean_rating, positive_ratings from marts.feedback_daily") == [(Decimal("3.500"), 1)]


def test_a_home_with_both_hashes_in_one_column_opens_and_nothing_is_built_again(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "2.00"))])
    build_from(fresh, "orders")
    marks = "select table_name, input, definition, documentation from meta.watermarks order by all"
    before = rows(fresh, marks)
    with Lake.open(fresh) as lake:
        lake.write(
            lambda: (
                lake.connection.execute("update meta.watermarks set definition = definition || ' ' || documentation"),
                lake.connection.execute("alter table meta.watermarks drop column documentation"),
                lake.fence(),
            )
        )
    landing.land("orders", [order("2", ("A", 1, "2.00"), time=at(days=3))])
    assert written(build_from(fresh, "orders"))["core.orders"] == (1, 0, 0)
    assert rows(fresh, marks) == before


LITERAL = """-- grain: One row per day and the day after it.
-- key: order_date
-- domain: ecommerce
-- description: Orders by day, with the name of their table.
-- materialized: incremental_by_group
-- group_by: order_date
-- input core.orders affects: order_date for 2 days
-- column order_date: Day.
-- column source: Name of the table.
-- column documents: Orders of the day and of the day before.
select day as order_date, 'core.orders' as source, count(orders.order_id) as documents
from core.orders, unnest([orders.order_date, orders.order_date + 1]) as days (day)
group by all -- of core.orders
"""


def test_a_literal_that_reads_like_a_table_is_the_same_in_every_build(fresh: Settings) -> None:
    mart, landing = parse("marts", "literal", LITERAL), Landing(fresh)

    def build_mart(*, full: bool = False) -> None:
        with Lake.open(fresh) as lake:
            lake.write(lambda: bring_up_to_date(lake, [mart], full=full))

    for day in (0, 1, 5):
        landing.land("orders", [order(str(day), ("A", 1, "2.00"), time=at(days=day))])
        build_from(fresh, "orders")
        build_mart()
    assert rows(fresh, "select source, sum(documents) from marts.literal group by all") == [("core.orders", 6)]
    incremental = rows(fresh, "from marts.literal order by all")
    build_mart(full=True)
    assert rows(fresh, "from marts.literal order by all") == incremental


def test_checks_find_what_refers_to_nothing(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "1.00"), customer_id="unknown"), order("2", customer_id=None)])
    build_from(fresh, "orders", "customers")
    with Lake.open(fresh) as lake:
        failed = [
            check
            for table in tables_from("orders", "customers")
            for check in reference_checks(lake, table)
            if not check.passed
        ]
    assert [(check.violations, check.description) for check in failed] == [
        (1, "customer_id of core.orders is in core.customers")
    ]
