"""`web_logs` to `orders`: carts are kept by session from the hits on the tracking pixel, and become orders when bought.

A session is known by its session id, or by its visitor (customer, or client and agent) where the pixel has none.
Ordinary lines are not looked at: each page reports itself by the pixel, under the session's own key. What a bot buys is
an order like others, and marked: a user agent is no proof.

Time is the partition's stream time, the latest event time so far: a session that no hit came for while it went on by
`IDLE` is forgotten, and its cart, if it had one, counted as abandoned. So hits that come late, as in a replay of an old
log, find their session still there. Orders are remembered for `REMEMBERED`: a page loaded again makes no second order.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar, Literal, cast

import msgspec

from contracts.ecommerce import Order, OrderLine, WebLog
from contracts.types import derived_id
from streaming.processors.processor import Output, Record, Result, State
from streaming.processors.stream_time import StreamTime

IDLE = timedelta(minutes=30)
REMEMBERED = timedelta(days=7)
MAX_CART_LINES = 5_000
"""What still fits into a record."""
NO_CURRENCY = "XXX"
"""ISO 4217 for none: no hit of the session named one."""

_SESSION, _ORDER = b"s", b"o"


class CartLine(msgspec.Struct, array_like=True):
    """One line of a cart."""

    sku: str
    quantity: int
    unit_price: str


class Session(msgspec.Struct, array_like=True):
    """What is known of a session. `active` is the stream time at its last hit."""

    began: datetime
    active: datetime
    pages: int = 0
    referrer: str | None = None
    currency: str | None = None
    cart: list[CartLine] = msgspec.field(default_factory=list[CartLine])


_encode = msgspec.msgpack.Encoder().encode
_session = msgspec.msgpack.Decoder(Session).decode


class OrderExtractor:
    """Makes orders out of carts and purchases."""

    name: ClassVar[str] = "order-extractor"
    inputs: ClassVar[tuple[str, ...]] = ("web_logs",)
    output: ClassVar[str] = "orders"
    state_version: ClassVar[int] = 1

    def process(self, topic: str, records: Sequence[Record], state: State, now: datetime) -> Result:  # noqa: ARG002
        return _Batch(self.name, state, [cast("WebLog", record.event) for record in records]).run()


class _Batch:
    """One batch of one partition."""

    def __init__(self, source: str, state: State, hits: Sequence[WebLog]) -> None:
        self._source = source
        self._state = state
        self._hits = hits
        self._time = StreamTime(state, [hit.event_time for hit in hits])
        self._result = Result()
        self._sessions: dict[bytes, Session] = {}

    def run(self) -> Result:
        for hit in self._hits:
            # What is due by this hit's time comes before it, wherever the batch began.
            for due in self._time.advance(hit.event_time):
                self._end(due)
            drop = self._take(hit)
            if drop is None:
                self._result.used += 1
            else:
                self._result.drops[drop] += 1
        for key, session in self._sessions.items():
            self._state.put(key, _encode(session))
        self._time.save()
        return self._result

    # --- hits -----------------------------------------------------------------------------------------------------

    def _take(self, hit: WebLog) -> str | None:
        """Take a hit, or say why not."""
        if hit.pixel_event is None:
            return "not a pixel hit"
        identity = (hit.session_id or hit.visitor_id).encode()
        if hit.pixel_event == "purchase" and self._state.get(_ORDER + _order_id(hit)) is not None:
            return "repeated purchase"
        session = self._touched(identity, hit)
        match hit.pixel_event:
            case "page_view":
                session.pages += 1
            case "add_to_cart":
                return _add(session, hit)
            case "remove_from_cart":
                return _remove(session, hit)
            case "purchase":
                self._buy(identity, session, hit)
        return None

    def _touched(self, identity: bytes, hit: WebLog) -> Session:
        key = _SESSION + identity
        session = self._sessions.get(key)
        if session is None:
            raw = self._state.get(key)
            if raw is None:
                session = Session(hit.event_time, self._time.now, referrer=hit.referrer)
                self._time.set_timer(IDLE, key)
            else:
                session = _session(raw)
            self._sessions[key] = session
        session.began = min(session.began, hit.event_time)
        session.active = self._time.now
        session.currency = hit.currency or session.currency
        return session

    def _buy(self, identity: bytes, session: Session, hit: WebLog) -> None:
        order_id = _order_id(hit)
        lines = [OrderLine(sku=c.sku, quantity=c.quantity, unit_price=c.unit_price) for c in session.cart]
        total = hit.order_total or "0"
        order = Order(
            event_id=derived_id("web", order_id.decode()),
            event_time=hit.event_time,
            source=self._source,
            order_id=order_id.decode(),
            channel="web",
            kind="order",
            customer_id=hit.customer_id,
            currency=hit.currency or session.currency or NO_CURRENCY,
            country=hit.country,
            lines=lines,
            total=total,
            flag=_flag(lines, total),
            is_bot=hit.is_bot,
            session_id=identity.decode(),
            session_s=int((hit.event_time - session.began).total_seconds()),
            session_pages=session.pages,
            referrer=session.referrer,
        )
        self._result.outputs.append(Output((hit.customer_id or order.order_id).encode(), order))
        session.cart = []
        self._state.put(_ORDER + order_id, b"")
        self._time.set_timer(REMEMBERED, _ORDER + order_id)

    def _end(self, key: bytes) -> None:
        """Forget an order, or a session that is idle. One that was touched since gets another timer."""
        if key.startswith(_ORDER):
            self._state.delete(key)
            return
        session = self._sessions.get(key)
        if session is None:
            session = _session(cast("bytes", self._state.get(key)))
        if session.active + IDLE > self._time.now:
            self._time.set_timer(session.active + IDLE - self._time.now, key)
            return
        if session.cart:
            self._result.notes["abandoned carts"] += 1
        self._sessions.pop(key, None)
        self._state.delete(key)


def _add(session: Session, hit: WebLog) -> str | None:
    if len(session.cart) >= MAX_CART_LINES:
        return "cart is full"
    session.cart.append(CartLine(hit.sku or "", hit.quantity or 0, hit.unit_price or "0"))
    return None


def _remove(session: Session, hit: WebLog) -> str | None:
    """Take so many units out, of what was put in last first."""
    left = hit.quantity or 0
    if not any(line.sku == hit.sku for line in session.cart):
        return "removed what is not in the cart"
    for line in reversed(session.cart):
        if line.sku == hit.sku:
            taken = min(left, line.quantity)
            line.quantity -= taken
            left -= taken
    session.cart = [line for line in session.cart if line.quantity or line.sku != hit.sku]
    return None


def _flag(lines: list[OrderLine], total: str) -> Literal["total mismatch", "empty cart"] | None:
    if not lines:
        return "empty cart"
    amount = sum((line.quantity * Decimal(line.unit_price) for line in lines), Decimal(0))
    return None if amount == Decimal(total) else "total mismatch"


def _order_id(hit: WebLog) -> bytes:
    return (hit.order_id or hit.event_id).encode()
