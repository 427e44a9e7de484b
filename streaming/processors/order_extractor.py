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
from typing import ClassVar, cast

from contracts.ecommerce import Order, QualityFlag, WebLog
from contracts.types import derived_id
from streaming.processors.carts import (
    MAX_HITS,
    SESSION,
    CartLine,
    Session,
    add,
    browser,
    buy,
    forget,
    order_lines,
    remove,
    save_session,
    stored_session,
)
from streaming.processors.processor import Output, Record, Result, State
from streaming.processors.stream_time import StreamTime, bounded

IDLE = timedelta(minutes=30)
REMEMBERED = timedelta(days=7)
NO_CURRENCY = "XXX"
"""ISO 4217 code for no currency: no hit of the session has one, or a signed purchase does not."""

_ORDER = b"o"
_TAKEN, _UNVERIFIED = b"", b"u"
"""The state of an order."""


class OrderExtractor:
    """Builds orders from carts and purchases."""

    name: ClassVar[str] = "order-extractor"
    inputs: ClassVar[tuple[str, ...]] = ("web_logs",)
    output: ClassVar[str] = "orders"
    state_version: ClassVar[int] = 2
    by_arrival: ClassVar[bool] = True

    def process(self, topic: str, records: Sequence[Record], state: State, now: datetime) -> Result:  # noqa: ARG002
        return _Batch(self.name, state, records).run()


class _Batch:
    """One batch of one partition."""

    def __init__(self, source: str, state: State, records: Sequence[Record]) -> None:
        self._source = source
        self._state = state
        events, _, _, arrivals = zip(*records, strict=True)
        self._hits = cast("Sequence[WebLog]", events)
        self._times = bounded([hit.event_time for hit in self._hits], arrivals)
        self._time = StreamTime(state, self._times)
        self._result = Result()
        self._sessions: dict[str, Session] = {}

    def run(self) -> Result:
        used, drops = 0, self._result.drops
        for hit, time in zip(self._hits, self._times, strict=True):
            # Timers due by this hit's time run before it, independent of batch boundaries.
            for due in self._time.advance(time):
                self._end(due)
            drop = self._take(hit, time)
            if drop is None:
                used += 1
            else:
                drops[drop] += 1
        self._result.used = used
        for identity, session in self._sessions.items():
            save_session(self._state, SESSION + identity.encode(), session)
        self._time.save()
        return self._result

    # --- hits -----------------------------------------------------------------------------------------------------

    def _take(self, hit: WebLog, time: datetime) -> str | None:
        """Process a hit; returns a reason if it is dropped. `time` is its time, limited to what stream time can
        follow."""
        event = hit.pixel_event
        if event is None:
            return "not a pixel hit"
        if event == "purchase" and self._is_repeated(hit):
            return "repeated purchase"
        identity = hit.session_id or hit.visitor_id
        sender = browser(hit.client_id, hit.user_agent)
        session = self._sessions.get(identity) or self._open(identity, hit, sender)
        if session.hits >= MAX_HITS and not hit.verified:
            return "too many hits of a session"
        owner = 0 if session.browsers[0] == sender else session.owner(sender)
        if owner is None and not (hit.verified and event == "purchase"):
            return "too many browsers in a session"
        session.hits += 1
        if hit.event_time < session.began:
            session.began = hit.event_time
        session.active = self._time.now
        session.currency = hit.currency or session.currency
        if event == "page_view":
            session.pages += 1
        elif event == "purchase":
            self._buy(session, hit, owner, is_ahead=time < hit.event_time)
        elif owner is not None:
            return self._change(session, hit, owner)
        return None

    def _is_repeated(self, hit: WebLog) -> bool:
        remembered = self._state.get(_ORDER + _order_id(hit).encode())
        return remembered is not None and not (hit.verified and remembered == _UNVERIFIED)

    def _open(self, identity: str, hit: WebLog, sender: str) -> Session:
        """Open the session of a hit in this batch, or create a new one."""
        key = SESSION + identity.encode()
        session = stored_session(self._state, key)
        if session is None:
            session = Session(hit.event_time, self._time.now, [sender], referrer=hit.referrer)
            self._time.set_timer(IDLE, key)
        self._sessions[identity] = session
        return session

    def _change(self, session: Session, hit: WebLog, owner: int) -> str | None:
        """Apply a hit to its session's cart; returns a reason if it changes nothing."""
        if not hit.sku:
            return "cart event without a product"
        if hit.pixel_event == "remove_from_cart":
            return remove(self._state, _session_key(hit), session, hit.sku, hit.quantity or 0, owner)
        line = CartLine(hit.sku, hit.quantity or 0, hit.unit_price or "0", owner)
        return None if add(self._state, _session_key(hit), session, line) else "cart is full"

    def _buy(self, session: Session, hit: WebLog, owner: int | None, *, is_ahead: bool) -> None:
        order_id, total = _order_id(hit), hit.order_total or "0"
        lines, adds_up = buy(self._state, _session_key(hit), session, total, owner, is_verified=hit.verified)
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
            lines=order_lines(lines),
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
        key = _ORDER + order_id.encode()
        self._state.put(key, _UNVERIFIED if hit.verified is False else _TAKEN)
        self._time.set_timer(REMEMBERED, key)

    def _end(self, key: bytes) -> None:
        """Delete an order, or an idle session. A session that was active since gets a new timer."""
        if key.startswith(_ORDER):
            self._state.delete(key)
            return
        identity = key[len(SESSION) :].decode()
        session = self._sessions.get(identity) or stored_session(self._state, key)
        if session is None:
            return
        if session.active + IDLE > self._time.now:
            self._time.set_timer(session.active + IDLE - self._time.now, key)
            return
        self._sessions.pop(identity, None)
        if session.cart or session.apart:
            self._result.notes["abandoned carts"] += 1
        forget(self._state, key, session)
        self._state.delete(key)


def _session_key(hit: WebLog) -> bytes:
    return SESSION + (hit.session_id or hit.visitor_id).encode()


def _order_id(hit: WebLog) -> str:
    return hit.order_id or hit.event_id
