"""`web_logs` to `orders`: carts are kept by session from the hits on the tracking pixel, and become orders when bought.

A session is known by its session id, or by its visitor (customer, or client and agent) where the pixel has none.
Ordinary lines are not looked at: each page reports itself by the pixel, under the session's own key. What a bot buys is
an order like others, and marked: a user agent is no proof.

Time is the partition's stream time (`stream_time`): a session that no hit came for while it advanced by `IDLE` is
forgotten, and its cart, if it had one, counted as abandoned. So hits that come late, as in a replay of an old
log, find their session still there. Orders are remembered for `REMEMBERED`: a page loaded again makes no second order.

Where the shop signs its purchases, one without its signature becomes an order flagged `unverified`, under an event id
of its own: the signed one is an order too, whichever comes first, and takes precedence in `core.orders`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar, cast

from contracts.ecommerce import Flag, Order, WebLog
from contracts.types import derived_id
from streaming.processors.carts import MAX_HITS, SESSION, CartLine, OpenSession, Session, browser, order_lines
from streaming.processors.processor import Output, Record, Result, State
from streaming.processors.stream_time import StreamTime, bounded

IDLE = timedelta(minutes=30)
REMEMBERED = timedelta(days=7)
NO_CURRENCY = "XXX"
"""ISO 4217 for none: no hit of the session named one."""

_ORDER = b"o"
_TAKEN, _UNVERIFIED = b"", b"u"
"""What is remembered of an order."""


class OrderExtractor:
    """Makes orders out of carts and purchases."""

    name: ClassVar[str] = "order-extractor"
    inputs: ClassVar[tuple[str, ...]] = ("web_logs",)
    output: ClassVar[str] = "orders"
    state_version: ClassVar[int] = 1
    by_arrival: ClassVar[bool] = True

    def process(self, topic: str, records: Sequence[Record], state: State, now: datetime) -> Result:  # noqa: ARG002
        return _Batch(self.name, state, records).run()


class _Batch:
    """One batch of one partition."""

    def __init__(self, source: str, state: State, records: Sequence[Record]) -> None:
        self._source = source
        self._state = state
        self._hits = [cast("WebLog", record.event) for record in records]
        self._times = [bounded(record.event.event_time, record.arrived_ms) for record in records]
        self._time = StreamTime(state, self._times)
        self._result = Result()
        self._sessions: dict[bytes, OpenSession] = {}

    def run(self) -> Result:
        for hit, time in zip(self._hits, self._times, strict=True):
            # What is due by this hit's time comes before it, wherever the batch began.
            for due in self._time.advance(time):
                self._end(due)
            drop = self._take(hit, is_ahead=time < hit.event_time)
            if drop is None:
                self._result.used += 1
            else:
                self._result.drops[drop] += 1
        for session in self._sessions.values():
            session.save()
        self._time.save()
        return self._result

    # --- hits -----------------------------------------------------------------------------------------------------

    def _take(self, hit: WebLog, *, is_ahead: bool) -> str | None:
        """Take a hit, or say why not."""
        if hit.pixel_event is None:
            return "not a pixel hit"
        identity = (hit.session_id or hit.visitor_id).encode()
        if hit.pixel_event == "purchase":
            remembered = self._state.get(_ORDER + _order_id(hit))
            if remembered is not None and not (hit.verified and remembered == _UNVERIFIED):
                return "repeated purchase"
        session = self._session(identity, hit)
        if session.known.hits >= MAX_HITS and not hit.verified:
            return "too many hits of a session"
        owner = session.owner(browser(hit.client, hit.user_agent))
        if owner is None and not hit.verified:
            return "too many browsers in a session"
        self._touch(session, hit)
        if hit.pixel_event == "purchase":
            self._buy(identity, session, hit, owner, is_ahead=is_ahead)
            return None
        return _change(session, hit, cast("int", owner))

    def _touch(self, session: OpenSession, hit: WebLog) -> None:
        known = session.known
        known.hits += 1
        known.began = min(known.began, hit.event_time)
        known.active = self._time.now
        known.currency = hit.currency or known.currency
        session.is_changed = True

    def _session(self, identity: bytes, hit: WebLog) -> OpenSession:
        session = self._sessions.get(identity)
        if session is None:
            session = OpenSession.load(self._state, identity)
            if session is None:
                began = Session(hit.event_time, self._time.now, referrer=hit.referrer)
                session = OpenSession(self._state, identity, began)
                self._time.set_timer(IDLE, SESSION + identity)
            self._sessions[identity] = session
        return session

    def _buy(self, identity: bytes, session: OpenSession, hit: WebLog, owner: int | None, *, is_ahead: bool) -> None:
        order_id, known, total = _order_id(hit), session.known, hit.order_total or "0"
        lines, adds_up = session.bought(total, owner, is_verified=hit.verified)
        flag: Flag | None = None
        if hit.verified is False:
            flag = "unverified"
        elif is_ahead:
            flag = "ahead of time"
        elif not lines:
            flag = "empty cart"
        elif not adds_up:
            flag = "total mismatch"
        order = Order(
            event_id=derived_id("web-unverified" if hit.verified is False else "web", order_id.decode()),
            event_time=hit.event_time,
            source=self._source,
            order_id=order_id.decode(),
            channel="web",
            kind="order",
            customer_id=hit.customer_id,
            currency=hit.currency or known.currency or NO_CURRENCY,
            country=hit.country,
            lines=order_lines(lines),
            total=total,
            flag=flag,
            is_bot=hit.is_bot,
            session_id=identity.decode(),
            session_s=int((hit.event_time - known.began).total_seconds()),
            session_pages=known.pages,
            referrer=known.referrer,
        )
        self._result.outputs.append(Output((hit.customer_id or order.order_id).encode(), order))
        self._state.put(_ORDER + order_id, _UNVERIFIED if hit.verified is False else _TAKEN)
        self._time.set_timer(REMEMBERED, _ORDER + order_id)

    def _end(self, key: bytes) -> None:
        """Forget an order, or a session that is idle. One that was touched since gets another timer."""
        if key.startswith(_ORDER):
            self._state.delete(key)
            return
        identity = key[len(SESSION) :]
        session = self._sessions.get(identity) or OpenSession.load(self._state, identity)
        if session is None:
            return
        if session.known.active + IDLE > self._time.now:
            self._time.set_timer(session.known.active + IDLE - self._time.now, key)
            return
        if session.known.lines:
            self._result.notes["abandoned carts"] += 1
        self._sessions.pop(identity, None)
        session.forget()


def _change(session: OpenSession, hit: WebLog, owner: int) -> str | None:
    """What a hit does to its session's pages and cart, or why it does nothing."""
    if hit.pixel_event == "page_view":
        session.known.pages += 1
        return None
    if not hit.sku:
        return "cart event without a product"
    if hit.pixel_event == "remove_from_cart":
        return session.remove(hit.sku, hit.quantity or 0, owner)
    line = CartLine(hit.sku, hit.quantity or 0, hit.unit_price or "0", owner)
    return None if session.add(line) else "cart is full"


def _order_id(hit: WebLog) -> bytes:
    return (hit.order_id or hit.event_id).encode()
