"""Of the events with one key, the first to arrive stands in the table and the others in quarantine, in every build."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from headrace.contracts.settings import Settings
from headrace.contracts.types import Event
from headrace.warehouse.build import BuildResult, build
from headrace.warehouse.incremental.key_conflicts import LATER_EVENT
from headrace.warehouse.lake import Lake
from headrace.warehouse.quality.audit import audit_table
from headrace.warehouse.query import run
from headrace.warehouse.tables import table
from tests.integration.building import build_from
from tests.integration.landed import Landing
from tests.integration.samples import at, order

ARRIVAL = at(days=200)
INVALID = "quantities are within bounds"


class _Shop:
    """Lands web orders: each event of an order by the number of the order and of the event."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._arrival = ARRIVAL
        self._landing = Landing(settings, clock=lambda: self._arrival)

    def land(self, number: str, version: int, *, time: datetime, arrived: float, quantity: int = 1) -> None:
        self._arrival = ARRIVAL + timedelta(minutes=arrived)
        event: Event = msgspec.structs.replace(
            order(number, ("A", quantity, "2.00"), channel="web", version=version, time=time), session_id="s1"
        )
        self._landing.land("orders", [event])

    def build(self) -> BuildResult:
        return build_from(self._settings, "orders")["core.web_orders"]

    def held(self) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """The events that stand in the table, and those in quarantine with their reasons."""
        names = "replace(event_id, 'web-', '')"
        return (
            run(self._settings, f"select {names} from core.web_orders order by 1").rows,
            run(self._settings, f"select {names}, _reasons[1] from quarantine.core_web_orders order by 1").rows,
        )

    def assert_a_full_build_agrees(self) -> None:
        before = self.held()
        with Lake.open(self._settings) as lake:
            result = build(lake, "core.web_orders", full=True)
        assert (result.inserted, result.updated, result.deleted) == (0, 0, 0)
        assert self.held() == before


def test_the_first_event_of_a_key_to_arrive_stands_in_whatever_order_they_land(fresh: Settings) -> None:
    shop = _Shop(fresh)
    shop.land("1", 1, time=at(), arrived=1)
    shop.land("2", 1, time=at(1), arrived=9)
    shop.build()
    shop.land("1", 2, time=at(1), arrived=2)  # later: goes to quarantine
    shop.land("2", 2, time=at(0), arrived=3)  # earlier: takes the place of the other
    changes = shop.build()
    assert (changes.inserted, changes.updated, changes.deleted) == (1, 0, 1)
    assert shop.held() == ([("1-1",), ("2-2",)], [("1-2", LATER_EVENT), ("2-1", LATER_EVENT)])
    for number, version, minute in (("1", 1, 0), ("1", 2, 1), ("2", 1, 1), ("2", 2, 0)):
        shop.land(number, version, time=at(minute), arrived=20)
    changes = shop.build()
    assert (changes.inserted, changes.updated, changes.deleted, changes.quarantined) == (0, 0, 0, 2)
    shop.assert_a_full_build_agrees()


def test_an_event_that_fails_a_row_check_takes_no_key_and_replaces_no_event(fresh: Settings) -> None:
    shop = _Shop(fresh)
    invalid = 200_000_000
    shop.land("1", 1, time=at(), arrived=1, quantity=invalid)
    shop.land("2", 1, time=at(), arrived=2)
    shop.land("3", 1, time=at(), arrived=3, quantity=invalid)
    shop.land("3", 2, time=at(), arrived=4)
    shop.build()
    shop.land("1", 2, time=at(), arrived=5)
    shop.land("2", 1, time=at(), arrived=6, quantity=invalid)  # a copy of an event that stands
    shop.build()
    assert shop.held() == ([("1-2",), ("2-1",), ("3-2",)], [("1-1", INVALID), ("3-1", INVALID)])
    shop.assert_a_full_build_agrees()


def test_distant_events_of_one_key_stop_no_build_and_the_audit_resolves_them(fresh: Settings) -> None:
    shop = _Shop(fresh)
    for number in "12":
        shop.land(number, 1, time=at(), arrived=1)
    shop.build()
    for number in "12":
        shop.land(number, 2, time=at(days=60), arrived=2)
    shop.build()
    with Lake.open(fresh) as lake:
        assert lake.value("select count(*) from core.web_orders") == 4, "a build searches around the events' times"
    # These events bring the distant ones of the first order within one search.
    shop.land("1", 1, time=at(), arrived=3)
    shop.land("3", 1, time=at(days=60), arrived=4)
    shop.build()
    with Lake.open(fresh) as lake:
        audit_table(lake, table("core.web_orders"))
    assert shop.held() == ([("1-1",), ("2-1",), ("3-1",)], [("1-2", LATER_EVENT), ("2-2", LATER_EVENT)])
    shop.assert_a_full_build_agrees()
