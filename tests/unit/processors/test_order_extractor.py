"""Orders rebuilt from the hits on the tracking pixel."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cases.ecommerce.processors.carts import MAX_BROWSERS, MAX_CART_LINES, MAX_HITS
from headrace.cases.ecommerce.processors.order_extractor import IDLE, REMEMBERED, OrderExtractor
from headrace.cases.ecommerce.topics.orders import Order
from headrace.cases.ecommerce.topics.web_logs import WebLog
from headrace.streaming.runtime.processing.processor import Record, Result
from headrace.streaming.runtime.processing.store import View
from tests.unit.processing.empty_store import EmptyStore

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def hit(event: str | None, minutes: float = 0.0, **fields: Any) -> WebLog:
    values: dict[str, Any] = {"visitor_id": "V", "session_id": "S", "device": "desktop", "is_bot": False} | fields
    if event in ("add_to_cart", "remove_from_cart"):
        values = {"sku": "A", "quantity": 2, "unit_price": "2.55", "currency": "GBP"} | values
    if event == "purchase":
        values = {"order_id": "1", "order_total": "5.10"} | values
    return WebLog(
        event_id=f"{event}-{minutes}",
        event_time=START + timedelta(minutes=minutes),
        source="test",
        client_id=values.pop("client_id", "c"),
        status=200,
        pixel_event=event,  # pyright: ignore[reportArgumentType]
        **values,
    )


class Stream:
    """A partition of `web_logs` that the extractor reads."""

    def __init__(self) -> None:
        self.state = View(EmptyStore())
        self.results: list[Result] = []

    def take(self, *hits: WebLog, arrived: datetime | None = None) -> "Stream":
        arrived_ms = None if arrived is None else int(arrived.timestamp() * 1_000)
        records = [Record(each, None, offset, arrived_ms) for offset, each in enumerate(hits)]
        self.results.append(OrderExtractor().process("web_logs", records, self.state, START))
        assert self.results[-1].used + sum(self.results[-1].drops.values()) == len(hits)
        return self

    @property
    def orders(self) -> list[Order]:
        values = [output.value for result in self.results for output in result.outputs]
        return [value for value in values if isinstance(value, Order)]

    def count(self, name: str) -> int:
        return sum(result.notes[name] + result.drops[name] for result in self.results)

    @property
    def keys(self) -> set[bytes]:
        """Kinds of what is left in the state."""
        return {key[:1] for key, value in self.state.changes.items() if value is not None}


def lines(order: Order) -> list[tuple[str, int, str]]:
    return [(line.sku, line.quantity, line.unit_price) for line in order.lines]


def test_a_cart_that_is_bought_becomes_an_order_with_its_lines_in_order() -> None:
    stream = Stream().take(
        hit("page_view", 0, referrer="https://search.example/"),
        hit("add_to_cart", 1),
        hit("add_to_cart", 2, sku="B", quantity=1, unit_price="1.00"),
        hit("page_view", 3),
        hit("purchase", 4, customer_id="C", order_total="6.10", country="France"),
    )
    (order,) = stream.orders
    assert lines(order) == [("A", 2, "2.55"), ("B", 1, "1.00")]
    assert (order.order_id, order.channel, order.customer_id, order.currency) == ("1", "web", "C", "GBP")
    assert (order.country, order.total, order.quality_flag) == ("France", "6.10", None)
    assert (order.session_id, order.session_duration_s, order.session_pages) == ("S", 240, 2)
    assert order.referrer == "https://search.example/"
    assert stream.results[0].outputs[0].key == b"C"


def test_what_was_taken_out_of_the_cart_is_not_bought() -> None:
    stream = Stream().take(
        hit("add_to_cart", 0),
        hit("add_to_cart", 1, quantity=3),
        hit("add_to_cart", 2, sku="B", quantity=1, unit_price="1.00"),
        hit("remove_from_cart", 3, quantity=4),
        hit("remove_from_cart", 4, sku="C", quantity=1),
        hit("purchase", 5, order_total="3.55"),
    )
    assert lines(stream.orders[0]) == [("A", 1, "2.55"), ("B", 1, "1.00")]
    assert stream.count("removed what is not in the cart") == 1


@pytest.mark.parametrize(
    ("total", "flag"), [("5.10", None), ("5.1000", None), ("5.11", "total mismatch"), ("0", "total mismatch")]
)
def test_a_purchase_that_does_not_add_up_goes_out_flagged(total: str, flag: str | None) -> None:
    stream = Stream().take(hit("add_to_cart", 0), hit("purchase", 1, order_total=total))
    assert [(order.total, order.quality_flag) for order in stream.orders] == [(total, flag)]


def test_a_purchase_without_a_cart_goes_out_flagged() -> None:
    (order,) = Stream().take(hit("purchase")).orders
    assert (order.quality_flag, order.lines, order.currency) == ("empty cart", [], "XXX")


@pytest.mark.parametrize("later", [1, 45, 60 * 24 * 6])
def test_a_purchase_page_loaded_again_makes_no_second_order(later: float) -> None:
    stream = Stream().take(hit("add_to_cart", 0), hit("purchase", 1))
    stream.take(hit("purchase", 1 + later, session_id="another"))
    assert len(stream.orders) == 1
    assert stream.count("repeated purchase") == 1


def test_a_line_that_is_no_pixel_hit_changes_nothing() -> None:
    stream = Stream().take(hit(None, 1))
    assert not stream.orders
    assert stream.count("not a pixel hit") == 1
    assert stream.keys == {b"w"}


def test_a_declared_robot_buys_like_others_and_its_order_is_marked() -> None:
    stream = Stream().take(hit("add_to_cart", 0, is_bot=True), hit("purchase", 1, is_bot=True))
    stream.take(hit("add_to_cart", 2), hit("purchase", 3, order_id="2"))
    assert [(order.is_bot, order.quality_flag, lines(order)) for order in stream.orders] == [
        (True, None, [("A", 2, "2.55")]),
        (False, None, [("A", 2, "2.55")]),
    ]


def test_an_idle_cart_is_dropped_and_counted_and_a_busy_one_kept() -> None:
    stream = Stream().take(hit("add_to_cart", 0), hit("add_to_cart", 0, session_id="busy"))
    stream.take(hit("page_view", 20, session_id="busy"), hit("page_view", 31, session_id="other"))
    assert stream.count("abandoned carts") == 1
    stream.take(hit("purchase", 32), hit("purchase", 33, session_id="busy", order_id="2"))
    assert [order.quality_flag for order in stream.orders] == ["empty cart", None]


def test_hits_that_come_late_find_their_session() -> None:
    stream = Stream().take(hit("page_view", 600, session_id="newer"))
    stream.take(hit("add_to_cart", 1), hit("purchase", 2))
    assert [(order.quality_flag, order.session_duration_s) for order in stream.orders] == [(None, 60)]


def test_sessions_are_known_by_visitor_where_there_is_no_session_id() -> None:
    stream = Stream().take(
        hit("add_to_cart", 0, session_id=None, visitor_id="X"),
        hit("purchase", 1, session_id=None, visitor_id="Y"),
        hit("purchase", 2, session_id=None, visitor_id="X", order_id="2"),
    )
    assert [order.quality_flag for order in stream.orders] == ["empty cart", None]


def test_nothing_of_the_past_stays_in_the_state() -> None:
    stream = Stream().take(hit("add_to_cart", 0), hit("purchase", 1))
    assert stream.keys == {b"s", b"o", b"t", b"w"}
    stream.take(*(hit("add_to_cart", 2, sku=f"{number:0150}") for number in range(5)))
    assert stream.keys == {b"s", b"c", b"o", b"t", b"w"}
    after = (REMEMBERED + IDLE) / timedelta(minutes=1) + 2
    stream.take(hit(None, after), hit(None, after + 1))
    assert stream.keys == {b"w"}


def test_one_event_of_the_year_2999_ends_no_other_session_and_goes_out_flagged() -> None:
    arrived = START + timedelta(minutes=1)
    stream = Stream().take(hit("add_to_cart", 0), hit("page_view", 1, session_id="other"), arrived=arrived)
    far = hit("purchase", 60 * 24 * 365.25 * 973, session_id="far", order_id="2")
    assert far.event_time.year == 2999
    stream.take(far, hit("purchase", 2), arrived=arrived + timedelta(minutes=1))
    assert [(order.order_id, order.quality_flag) for order in stream.orders] == [("2", "ahead of time"), ("1", None)]
    assert stream.count("abandoned carts") == 0
    # Stream time follows arrival from there, so that what waits still ends.
    stream.take(hit("add_to_cart", 3), arrived=arrived)
    stream.take(hit("page_view", 60 * 24 * 365 * 900, session_id="far"), arrived=arrived + timedelta(hours=2))
    assert stream.count("abandoned carts") == 1


def test_a_session_id_sent_by_another_client_changes_no_cart() -> None:
    stream = Stream().take(
        hit("add_to_cart", 0, user_agent="A"),
        hit("remove_from_cart", 1, quantity=9, client_id="elsewhere", user_agent="A"),
        hit("purchase", 2, order_id="2", order_total="1", client_id="elsewhere", user_agent="B"),
        hit("add_to_cart", 3, sku="X", client_id="elsewhere", user_agent="B"),
        hit("purchase", 4, user_agent="A"),
    )
    assert stream.count("removed what another visitor added") == 1
    theirs, mine = stream.orders
    assert (theirs.quality_flag, theirs.lines) == ("empty cart", [])
    assert (mine.quality_flag, lines(mine)) == (None, [("A", 2, "2.55")])


def test_a_visitor_whose_address_changes_on_the_way_keeps_the_cart() -> None:
    stream = Stream().take(
        hit("add_to_cart", 0, client_id="train", user_agent="A"),
        hit("add_to_cart", 1, client_id="home", user_agent="A", sku="B", quantity=1, unit_price="1.00"),
        hit("purchase", 2, client_id="office", user_agent="A", order_total="6.10"),
    )
    assert [(order.quality_flag, len(order.lines)) for order in stream.orders] == [(None, 2)]


@pytest.mark.parametrize("later", [False, True])
def test_the_signed_purchase_is_an_order_though_an_unsigned_one_took_its_number(later: bool) -> None:
    forged = hit("purchase", 0, session_id="thief", order_total="9", customer_id="T", verified=False)
    mine = hit("purchase", 2, verified=True, customer_id="C")
    stream = Stream().take(hit("add_to_cart", 0), *([mine, forged] if later else [forged, mine]))
    found = {order.quality_flag: order for order in stream.orders}
    assert lines(found[None]) == [("A", 2, "2.55")]
    assert (found[None].event_id, found[None].customer_id) == ("web-1", "C")
    assert ("unverified" in found) is not later
    if not later:
        assert found["unverified"].event_id == "web-unverified-1"
    stream.take(hit("purchase", 3, verified=True), hit("purchase", 3, verified=False))
    assert stream.count("repeated purchase") == (3 if later else 2)


def test_an_unsigned_purchase_takes_no_lines_of_another_client() -> None:
    stream = Stream().take(
        hit("add_to_cart", 0, user_agent="A"),
        hit("purchase", 1, order_id="2", client_id="elsewhere", user_agent="A", verified=False),
        hit("purchase", 2, user_agent="A", client_id="another", verified=True),
    )
    assert [(order.quality_flag, len(order.lines)) for order in stream.orders] == [("unverified", 0), (None, 1)]


def test_a_signed_purchase_takes_nothing_but_its_lines_from_unsigned_hits() -> None:
    stuffed = hit("add_to_cart", 0, quantity=1_000_000, unit_price="500000.00", currency="KWD", customer_id="T")
    signed = hit("purchase", 1, order_total="1.00", verified=True)
    (order,) = Stream().take(stuffed, signed).orders
    assert (order.verified, order.total, order.quality_flag) == (True, "1.00", "total mismatch")
    assert (order.currency, order.customer_id, order.country) == ("XXX", None, None)
    unsigned = Stream().take(hit("add_to_cart", 0, currency="KWD"), hit("purchase", 1)).orders
    assert [(order.verified, order.currency) for order in unsigned] == [(None, "KWD")]


def test_a_page_view_writes_little_however_full_the_cart_is() -> None:
    stream = Stream()
    stream.take(*(hit("add_to_cart", 0, sku=f"{number:0150}") for number in range(MAX_CART_LINES + 5)))
    assert stream.count("cart is full") == 5
    view = View(stream.state)
    for event in (hit("page_view", 1), hit("add_to_cart", 1)):
        OrderExtractor().process("web_logs", [Record(event, None, 0)], view, START)
    assert sum(len(key) + len(value or b"") for key, value in view.changes.items()) < 500
    stream.take(hit("remove_from_cart", 2, sku=f"{7:0150}", quantity=1))
    assert max(len(value or b"") for value in stream.state.changes.values()) < 5_000
    (order,) = stream.take(hit("purchase", 3)).orders
    assert len(order.lines) == MAX_CART_LINES
    assert b"c" not in stream.keys


def test_what_a_session_takes_is_bounded_and_counted() -> None:
    stream = Stream().take(*(hit("page_view", 0) for _ in range(MAX_HITS + 3)))
    assert stream.count("too many hits of a session") == 3
    stream.take(*(hit("page_view", 1, session_id="T", client_id=str(each)) for each in range(MAX_BROWSERS + 2)))
    assert stream.count("too many browsers in a session") == 2
    stream.take(hit("purchase", 2, verified=True), hit("purchase", 2, order_id="2"))
    assert [order.order_id for order in stream.orders] == ["1"]


EVENTS = st.tuples(
    st.sampled_from(["page_view", "add_to_cart", "remove_from_cart", "purchase"]),
    st.integers(-20, 60),
    st.sampled_from(["S1", "S2"]),
    st.sampled_from(["1", "2", "3"]),
    st.sampled_from(["here", "there"]),
    st.sampled_from([None, None, False, True]),
    st.sampled_from(["A", "B", "C" * 100, "D" * 100]),
)


Drawn = tuple[str, int, str, str, str, bool | None, str]


def _hits(drawn: Sequence[Drawn]) -> list[WebLog]:
    hits: list[WebLog] = []
    minutes = 0
    for event, step, session, order_id, client, verified, sku in drawn:
        minutes += step
        fields: dict[str, Any] = {"order_id": order_id, "verified": verified} if event == "purchase" else {"sku": sku}
        hits.append(hit(event, minutes, session_id=session, client_id=client, **fields))
    return hits


@given(st.lists(EVENTS, min_size=1, max_size=25), st.data())
def test_the_output_does_not_depend_on_how_the_stream_is_batched(drawn: list[Drawn], data: st.DataObject) -> None:
    hits = _hits(drawn)
    whole, cut = Stream().take(*hits), Stream()
    while hits:
        size = data.draw(st.integers(1, len(hits)))
        cut.take(*hits[:size])
        hits = hits[size:]
    assert cut.orders == whole.orders
    assert cut.count("abandoned carts") == whole.count("abandoned carts")
    assert {k: v for k, v in cut.state.changes.items() if v is not None} == {
        k: v for k, v in whole.state.changes.items() if v is not None
    }


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 9)), max_size=60), st.integers(1, 60))
def test_a_cart_of_any_size_holds_what_was_added_and_not_removed(
    drawn: list[tuple[bool, int, int]], length: int
) -> None:
    cart: list[list[Any]] = []
    hits: list[WebLog] = []
    for is_added, quantity, product in drawn:
        sku = str(product) * length
        event = "add_to_cart" if is_added else "remove_from_cart"
        hits.append(hit(event, sku=sku, quantity=quantity))
        if is_added:
            cart.append([sku, quantity, "2.55"])
            continue
        left = quantity
        for line in reversed([line for line in cart if line[0] == sku]):
            taken = min(left, line[1])
            line[1] -= taken
            left -= taken
        cart = [line for line in cart if line[1] or line[0] != sku]
    stream = Stream().take(*hits, hit("purchase", 1), hit("purchase", 2, order_id="2"))
    assert [lines(order) for order in stream.orders] == [[tuple(line) for line in cart], []]
    assert b"c" not in stream.keys


def test_a_small_cart_is_stored_with_its_session() -> None:
    stream = Stream().take(*(hit("add_to_cart", sku=f"{number}") for number in range(10)))
    assert stream.keys == {b"s", b"t", b"w"}
