"""No valid event stops a build, even with extreme values or dates: rows that cannot be counted are quarantined."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest

from headrace.cases.ecommerce.topics.orders import OrderLine
from headrace.contracts.delivery import STAGING
from headrace.contracts.settings import Settings
from headrace.contracts.topics import EVENT_TOPICS
from headrace.contracts.types import MAX_QUANTITY
from headrace.warehouse.build_cycle import BuildCycle, build_cycle
from headrace.warehouse.incremental.merge import replace_rows
from headrace.warehouse.lake import Lake
from headrace.warehouse.lake.target import Changes, Target
from headrace.warehouse.tables import all_tables
from tests.integration import extremes
from tests.integration.building import build_all
from tests.integration.delivered import deliver, prepare
from tests.integration.landed import Landing
from tests.integration.samples import at, hit, order

LARGEST = "99999999999999.9999"


def build_without_failure(lake: Lake) -> None:
    build_cycle(lake, done := BuildCycle())
    assert (done.failed, done.skipped) == ({}, [])


def written(lake: Lake, full: bool) -> dict[str, tuple[int, int, int]]:
    results = build_all(lake, full=full)
    changes = {name: (each.inserted, each.updated, each.deleted) for name, each in results.items()}
    # How fresh the marts were is known after a build.
    apart = ("raw.", "marts.mart_freshness")
    return {name: each for name, each in changes.items() if any(each) and not name.startswith(apart)}


def test_extreme_valid_values_of_every_field_build_fully_and_incrementally(fresh: Settings) -> None:
    landing = Landing(fresh)
    prepare(fresh, STAGING)
    with Lake.open(fresh) as lake:
        for number in range(2):
            batch = extremes.events(number, 60)
            assert {topic.name for topic in EVENT_TOPICS} == batch.keys()
            for topic, events in batch.items():
                landing.land(topic, events)
            deliver(fresh, STAGING, batch[STAGING.topic], first=number * 60)
            build_without_failure(lake)
        assert written(lake, full=True) == {}
        assert lake.value("select count(*) from core.order_lines") > 50
        assert lake.value("select count(*) from marts.customer_360") > 5


def test_the_largest_quantities_and_prices_add_up_to_the_last_digit(fresh: Settings) -> None:
    landing = Landing(fresh)
    largest = [("A", MAX_QUANTITY, LARGEST)] * 25
    landing.land("orders", [order("1", *largest), order("2", *largest, channel="web")])
    landing.land("web_logs", [hit(f"e{n}", pixel_event="add_to_cart", quantity=MAX_QUANTITY, unit_price=LARGEST)
                              for n in range(25)])  # fmt: skip
    with Lake.open(fresh) as lake:
        build_without_failure(lake)
        total = 50 * MAX_QUANTITY * Decimal(LARGEST)
        assert lake.value("select gross_revenue from marts.customer_360") == total
        assert lake.value("select sum(revenue) from marts.sales_daily") == total
        assert lake.value("select mean_order_value from marts.customer_360") == pytest.approx(total / 2)


def test_quantities_of_an_older_contract_go_to_quarantine_and_the_rest_builds(fresh: Settings) -> None:
    landing = Landing(fresh)
    # As they landed before quantities were bounded: made without the check that a decoder does.
    line = OrderLine(sku="A", description="a", quantity=2**63 - 1, unit_price=LARGEST)
    too_much = [msgspec.structs.replace(order("1", channel=channel), lines=[line] * 25) for channel in ("web", "store")]
    landing.land("orders", [*too_much, order("2", ("A", 1, "2.00")), order("3", ("A", 2, "2.00"), channel="web")])
    landing.land("web_logs", [hit("e1"), hit("e2", pixel_event="add_to_cart", quantity=2**63 - 1, unit_price="1")])
    with Lake.open(fresh) as lake:
        build_without_failure(lake)
        assert lake.value("select list(order_id order by order_id) from core.orders") == ["2", "3"]
        reasons = "select _reasons from quarantine.{}"
        assert lake.value(reasons.format("core_orders")) == ["quantities are within bounds"]
        assert lake.value(reasons.format("core_web_orders")) == ["quantities are within bounds"]
        assert lake.value(reasons.format("core_web_events")) == ["quantity is within bounds"]
        assert lake.value("select sum(revenue) from marts.sales_daily") == 6
        assert written(lake, full=True) == {}


def test_a_record_with_an_odd_kafka_time_does_not_stop_publication(fresh: Settings) -> None:
    landing = Landing(fresh)
    with Lake.open(fresh) as lake:
        build_without_failure(lake)
        for number, then in enumerate([datetime(1754, 8, 30, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC)]):
            landing.now = then
            landing.land("orders", [order(f"{number}", ("A", 1, "2.00"))])
            landing.land("customers", [None])
            build_cycle(lake, done := BuildCycle())
            assert (done.failed, done.skipped, done.published is None) == ({}, [], False)


def test_orders_of_a_customer_in_two_currencies_are_never_added_up(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "2.00")), order("2", ("A", 1, "3.00"), currency="EUR"),
                            order("3", ("A", 1, "5.00"), customer_id="C2")])  # fmt: skip
    with Lake.open(fresh) as lake:
        build_without_failure(lake)
        amounts = "currency, gross_revenue, returned_revenue, revenue, mean_order_value"
        found = lake.connection.execute(f"select {amounts} from marts.customer_360 order by customer_id").fetchall()
        assert found == [(None,) * 5, ("GBP", 5, 0, 5, 5)]
        assert lake.connection.execute("select revenue, currency from marts.cohort_retention").fetchall() == [
            (None,) * 2
        ]
        features = (
            "select currency, monetary_value, orders, orders_in_other_currencies from core.customer_features order by 1"
        )
        # As many in one as in the other: the first by alphabet.
        assert lake.connection.execute(features).fetchall() == [("EUR", 3, 2, 1), ("GBP", 5, 1, 0)]
        by_currency = "select currency, sum(revenue) from marts.{} group by all order by all"
        for mart in ("sales_daily", "sales_by_residence", "product_months", "product_trends"):
            assert lake.connection.execute(by_currency.format(mart)).fetchall() == [("EUR", 3), ("GBP", 7)], mart


def _files(lake: Lake, table: str) -> int:
    schema, name = table.split(".")
    return lake.value(f"select count(*) from ducklake_list_files('lake', '{name}', schema => '{schema}')")


def test_one_event_a_day_over_30_years_builds_into_few_files(fresh: Settings) -> None:
    landing, days = Landing(fresh), 30 * 365
    landing.land("web_logs", [hit(f"e{n}", time=at(days=-n)) for n in range(days)])
    # Orders of as many months, on fewer days: they take longer.
    landing.land("orders", [order(f"o{n}", ("A", 1, "2.00"), time=at(days=-n * 11)) for n in range(1_000)])
    with Lake.open(fresh) as lake:
        build_without_failure(lake)
        assert lake.value("select count(distinct event_date) from core.web_events") == days
        assert lake.value("select sum(orders) from marts.sales_daily") == 1_000
        files = {table.qualified: _files(lake, table.qualified) for table in all_tables()}
        assert max(files.values()) <= 12 * 31, files
        landing.land("orders", [order(f"o{n}", ("A", 2, "2.00"), version=2, time=at(days=-n * 11))
                                for n in range(0, 1_000, 9)])  # fmt: skip
        build_without_failure(lake)
        assert lake.value("select sum(units) from marts.sales_daily") == 1_000 + 112
        assert written(lake, full=False) == {}


def test_rows_of_many_partitions_are_written_some_at_a_time(fresh: Settings) -> None:
    with Lake.open(fresh) as lake:
        lake.connection.execute("create table months (day date, value integer)")
        lake.connection.execute("alter table months set partitioned by (year(day), month(day))")
        lake.connection.execute(
            "create temp table rows as"
            " select date '1000-01-01' + interval (n) month as day, n as value from range(250) numbers (n)"
        )
        target = Target("months", ("day",), {"day": "DATE", "value": "INTEGER"}, "year(day), month(day)")
        assert target.insert(lake, "rows").inserted == 250
        lake.connection.execute("update rows set value = value + 1 where value % 2 = 0")
        assert replace_rows(lake, target, "from months", "rows") == Changes(updated=125)
        assert lake.value("select count(*) from (from months except from rows)") == 0
        assert lake.value("select count(*) from months") == 250
