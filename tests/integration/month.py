"""A month of small batches by an accelerated clock: lands, builds and maintains, and measures files and bytes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg

from headrace.contracts.settings import Settings
from headrace.warehouse.build import build, register
from headrace.warehouse.lake import Lake
from headrace.warehouse.maintenance.maintain import Maintenance, maintain
from tests.integration.landed import Landing
from tests.integration.samples import at, order

TABLES = ("core.orders", "marts.sales_daily")
"""One that grows, and one of which every batch changes a row."""


def simulate(settings: Settings, *, days: int, batches_a_day: int, orders: int = 20) -> Iterator[Maintenance]:
    """Yield each day's maintenance. The clock is that of the snapshots: each is given the time of its batch."""
    landing = Landing(settings)
    start = datetime.now(UTC)
    with Lake.open(settings) as lake, psycopg.connect(settings.conninfo(), autocommit=True) as catalog:
        for day in range(days):
            for batch in range(batches_a_day):
                now = start + timedelta(days=day, seconds=86_400 * batch / batches_a_day)
                names = [f"{day}-{batch}-{number}" for number in range(orders)]
                # Before the story's first arrival: an order dated later than it arrived would go to quarantine.
                placed = at(days=day - days, minutes=batch)
                landing.land("orders", [order(name, ("A", 2, "1.25"), time=placed) for name in names])
                before = lake.snapshot()
                register(lake, "orders")
                for table in TABLES:
                    build(lake, table)
                _set_clock(catalog, before, now)
            before = lake.snapshot()
            yield maintain(lake, start + timedelta(days=day + 1))
            _set_clock(catalog, before, start + timedelta(days=day + 1))


def _set_clock(catalog: psycopg.Connection, after: int, now: datetime) -> None:
    catalog.execute("update ducklake.ducklake_snapshot set snapshot_time = %s where snapshot_id > %s", [now, after])
