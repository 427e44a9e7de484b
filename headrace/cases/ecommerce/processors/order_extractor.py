"""`web_logs` to `orders`: builds carts per session from the hits on the tracking pixel, and turns them into orders when
bought.

A session is identified by its session id; if the pixel has none, by its visitor (customer, or client and agent). Other
lines are ignored: each page reports itself through the pixel, with the session's key. Purchases by bots are orders like
others, but flagged, since a user agent is not proof.

Time is the partition's stream time (`stream_time`). A session without hits while stream time advances by `IDLE` is
deleted, and a cart in it counts as abandoned. So late hits, as when an old log is ingested, still find their session.
Orders are remembered for `REMEMBERED`: reloading the page does not create a second order.

If the shop signs its purchases, an unsigned purchase becomes an order flagged `unverified`, with a separate event id:
the signed one is also published, regardless of their order, and takes precedence in `core.orders`. Only the lines of a
signed purchase come from other, unsigned hits; they do not determine revenue (docs/decisions/0027).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, cast

from headrace.cases.ecommerce.processors.carts import CLIENT_PART, MAX_HITS, CartLine, Carts, Session, agent_part
from headrace.cases.ecommerce.topics.orders import Order, OrderLine, QualityFlag
from headrace.cases.ecommerce.topics.web_logs import WebLog
from headrace.contracts.types import derived_id
from headrace.streaming.runtime.processing.processor import Output, Record, Result, State
from headrace.streaming.runtime.processing.stream_time import StreamTime, bounded
from headrace.streaming.runtime.processing.tables import Table

IDLE = timedelta(minutes=30)
REMEMBERED = timedelta(days=7)
NO_CURRENCY = "XXX"
"""ISO 4217 code for no currency: no hit of the session has one, or a signed purchase does not."""


class OrderExtractor:
    """Builds orders from carts and purchases."""

    name: ClassVar[str] = "order-extractor"
    inputs: ClassVar[tuple[str, ...]] = ("web_logs",)
    output: ClassVar[str] = "orders"
    sessions: ClassVar = Table(
        "sessions", Session, "a session with the latest lines of its cart, by its id", timer=IDLE
    )
    carts: ClassVar = Table("carts", list[CartLine], "earlier lines of a large cart, by session and number")
    orders: ClassVar = Table("orders", bool, "whether the order with this id is unverified", timer=REMEMBERED)
    state_version: ClassVar[int] = 2
    by_arrival: ClassVar[bool] = True

    def process(self, topic: str, records: Sequence[Record], state: State, now: datetime) -> Result:  # noqa: ARG002
        return _Batch(type(self), state, records).run()


class _Batch:
    """One batch of one partition."""

    def __init__(self, of: type[OrderExtractor], state: State, records: Sequence[Record]) -> None:
        self._source = of.name
        self._sessions, self._orders = of.sessions.of(state), of.orders.of(state)
        self._carts = Carts(of.carts.of(state))
        events, _, _, arrivals = zip(*records, strict=True)
        self._hits = cast("Sequence[WebLog]", events)
        self._times = bounded([hit.event_time for hit in self._hits], arrivals)
        self._time = StreamTime(state, self._times, (of.sessions, of.orders))
        self._result = Result()
        self._open: dict[bytes, Session] = {}

    def run(self) -> Result:
        used, drops = 0, self._result.drops
        for hit, time in zip(self._hits, self._times, strict=True):
            # Timers due by this hit's time run before it, independent of batch boundaries.
            for table, key in self._time.advance(time):
                self._end(table, key)
            drop = self._take(hit, time)
            if drop is None:
                used += 1
            else:
                drops[drop] += 1
        self._result.used = used
        self._sessions.put_all(self._open)
        self._time.save()
        return self._result

    # --- hits -----------------------------------------------------------------------------------------------------

    def _take(self, hit: WebLog, time: datetime) -> str | None:  # noqa: PLR0911  one return for each reason
        """Process a hit; returns a reason if it is dropped. `time` is its time, limited to what stream time can
        follow."""
        event = hit.pixel_event
        if event is None:
            return "not a pixel hit"
        if event == "purchase" and self._is_repeated(hit):
            return "repeated purchase"
        key = (hit.session_id or hit.visitor_id).encode()
        sender = agent_part(hit.user_agent) + hit.client_id[CLIENT_PART]
        session = self._open.get(key) or self._sessions.get(key) or self._begun(key, hit, sender)
        if session.hits >= MAX_HITS and not hit.verified:
            return "too many hits of a session"
        owner = 0 if session.browsers == sender else session.owner(sender)
        if owner is None and not (hit.verified and event == "purchase"):
            return "too many browsers in a session"
        self._open[key] = session
        session.hits += 1
        if hit.event_time < session.began:
            session.began = hit.event_time
        session.active = self._time.now
        session.currency = hit.currency or session.currency
        if event == "page_view":
            session.pages += 1
        elif event == "purchase":
            self._buy(key, session, hit, owner, is_ahead=time < hit.event_time)
        elif not hit.sku:
            return "cart event without a product"
        elif event == "add_to_cart":
            line = CartLine(hit.sku, hit.quantity or 0, hit.unit_price or "0", cast("int", owner))
            return self._carts.add(key, session, line)
        else:
            return self._carts.remove(key, session, hit.sku, hit.quantity or 0, cast("int", owner))
        return None

    def _is_repeated(self, hit: WebLog) -> bool:
        is_unverified = self._orders.get(_order_id(hit).encode())
        return is_unverified is not None and not (is_unverified and hit.verified)

    def _begun(self, key: bytes, hit: WebLog, sender: str) -> Session:
        """The session that a hit begins."""
        self._time.set_timer(OrderExtractor.sessions, key)
        return Session(hit.event_time, self._time.now, sender, referrer=hit.referrer)

    def _buy(self, key: bytes, session: Session, hit: WebLog, owner: int | None, *, is_ahead: bool) -> None:
        order_id, total = _order_id(hit), hit.order_total or "0"
        lines, adds_up = self._carts.buy(key, session, total, owner, is_verified=hit.verified)
        flag: QualityFlag | None = None
        if hit.verified is False:
            flag = "unverified"
        elif is_ahead:
            flag = "ahead of time"
        elif not lines:
            flag = "empty cart"
        elif not adds_up:
            flag = "total mismatch"
        order = Order(
            event_id=derived_id("web-unverified" if hit.verified is False else "web", order_id),
            event_time=hit.event_time,
            source=self._source,
            order_id=order_id,
            channel="web",
            kind="order",
            customer_id=hit.customer_id,
            # Other hits of the session are not signed.
            currency=hit.currency or (None if hit.verified else session.currency) or NO_CURRENCY,
            country=hit.country,
            lines=[OrderLine(sku=line.sku, quantity=line.quantity, unit_price=line.unit_price) for line in lines],
            total=total,
            quality_flag=flag,
            verified=hit.verified,
            is_bot=hit.is_bot,
            session_id=hit.session_id or hit.visitor_id,
            session_duration_s=int((hit.event_time - session.began).total_seconds()),
            session_pages=session.pages,
            referrer=session.referrer,
        )
        self._result.outputs.append(Output((hit.customer_id or order_id).encode(), order))
        order_key = order_id.encode()
        self._orders.put(order_key, hit.verified is False)
        self._time.set_timer(OrderExtractor.orders, order_key)

    def _end(self, table: Table[Any], key: bytes) -> None:
        """Delete an order, or an idle session. A session that was active since gets a new timer."""
        if table is OrderExtractor.orders:
            self._orders.delete(key)
            return
        session = self._open.get(key) or self._sessions.get(key)
        if session is None:
            return
        if session.active + IDLE > self._time.now:
            self._time.set_timer(table, key, since=session.active)
            return
        self._open.pop(key, None)
        if session.cart or session.apart:
            self._result.notes["abandoned carts"] += 1
        self._carts.forget(key, session)
        self._sessions.delete(key)


def _order_id(hit: WebLog) -> str:
    return hit.order_id or hit.event_id
