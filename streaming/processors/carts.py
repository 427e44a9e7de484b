"""Sessions and their carts, in the state of a partition.

A small cart is in the session's record. Once its encoded lines exceed `INLINE_BYTES`, they are stored separately as a
part of the cart, and later lines start again in the record. So a page view rewrites a few hundred bytes at most, and
the changelog grows with the visitor's events, not with the cart's size.

Any client that knows a session id can send hits with it. So each line records the browser (address and user agent) that
added it; other browsers can neither remove nor buy it (`bought`).

State, by key:
    s SESSION             the session
    c SESSION \\0 PART     a part of its cart
"""

from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from typing import NamedTuple

import msgspec

from contracts.ecommerce import OrderLine
from streaming.processors.processor import State

SESSION, CART = b"s", b"c"
INLINE_BYTES = 250
MAX_CART_LINES = 2_000
MAX_CART_BYTES = 600_000
"""Limit on the lines' product codes as JSON, so that an order fits into a record."""
MAX_HITS = 10_000
MAX_BROWSERS = 16
_CLIENT_CHARACTERS = 12
_AGENT_BYTES = 6
_AGENT_CHARACTERS = 8
"""Of base64."""
_ZERO = Decimal(0)
_price = lru_cache(maxsize=10_000)(Decimal)


class CartLine(msgspec.Struct, array_like=True, gc=False):
    """One line of a cart. `owner` is the index of the browser that added it among the session's browsers."""

    sku: str
    quantity: int
    unit_price: str
    owner: int


class Apart(msgspec.Struct, array_like=True, gc=False):
    """The parts of a cart that are stored separately. `size` is that of their product codes as JSON, in bytes."""

    parts: int = 0
    lines: int = 0
    size: int = 0


class Session(msgspec.Struct, array_like=True, gc=False):
    """A session. `active` is the stream time of its last hit; `hits` counts the accepted hits.

    `cart` has the lines of the cart that are not stored separately, which are its latest. `browsers` has those that
    sent hits (`browser`); the owner of a line is an index in it.
    """

    began: datetime
    active: datetime
    browsers: list[str]
    pages: int = 0
    referrer: str | None = None
    currency: str | None = None
    hits: int = 0
    cart: list[CartLine] | None = None
    apart: Apart | None = None

    def owner(self, of: str) -> int | None:
        """The index of a browser among the session's browsers, added if new; None if there are too many."""
        browsers = self.browsers
        if of in browsers:
            return browsers.index(of)
        if len(browsers) >= MAX_BROWSERS:
            return None
        browsers.append(of)
        return len(browsers) - 1


_encode = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode
_session = msgspec.msgpack.Decoder(Session).decode
_lines = msgspec.msgpack.Decoder(list[CartLine]).decode


def browser(client: str, agent: str | None) -> str:
    """A browser: the hash of its user agent, and its address, of which `client` already is a hash."""
    return _agent(agent) + client[-_CLIENT_CHARACTERS:]


@lru_cache(maxsize=10_000)
def _agent(agent: str | None) -> str:
    return b64encode(blake2b((agent or "").encode(), digest_size=_AGENT_BYTES).digest()).decode()


def stored_session(state: State, key: bytes) -> Session | None:
    """The session stored under its key (`SESSION` and its identity)."""
    raw = state.get(key)
    return None if raw is None else _session(raw)


def save_session(state: State, key: bytes, session: Session) -> None:
    """Write a session."""
    state.put(key, _encode(session))


class Bought(NamedTuple):
    """The lines of a purchase, and whether they add up to its total."""

    lines: list[CartLine]
    adds_up: bool


def add(state: State, key: bytes, session: Session, line: CartLine) -> bool:
    """Add a line to the cart; returns False if it is full. `key` is the session's."""
    cart, apart = session.cart, session.apart
    if cart is None:
        cart = session.cart = []
    if apart is not None and (
        apart.lines + len(cart) >= MAX_CART_LINES or apart.size + _size([*cart, line]) > MAX_CART_BYTES
    ):
        return False
    cart.append(line)
    if len(encoded := _encode(cart)) > INLINE_BYTES:
        apart = apart or Apart()
        state.put(_part_key(key, apart.parts), encoded)
        session.apart = Apart(apart.parts + 1, apart.lines + len(cart), apart.size + _size(cart))
        session.cart = None
    return True


def remove(state: State, key: bytes, session: Session, sku: str, quantity: int, owner: int) -> str | None:
    """Remove units that this owner added, latest first; returns a reason if that is not possible."""
    parts = _parts(state, key, session)
    of_sku = [line for line in chain(*parts) if line.sku == sku]
    mine = [line for line in of_sku if line.owner == owner]
    if not mine:
        return "removed what another visitor added" if of_sku else "removed what is not in the cart"
    for line in reversed(mine):
        taken = min(quantity, line.quantity)
        line.quantity -= taken
        quantity -= taken
    _keep(state, key, session, parts, lambda line: line.quantity != 0 or line.sku != sku or line.owner != owner)
    return None


def buy(
    state: State, key: bytes, session: Session, total: str, owner: int | None, *, is_verified: bool | None
) -> Bought:
    """The lines of a purchase by this owner, which are removed from the cart.

    By default these are the owner's lines. If the visitor's address has changed, they are the lines of the same user
    agent; if the user agent has changed too, all lines. This requires that they add up to the total, or that the shop
    has signed the purchase. An unsigned purchase with a known key only takes the owner's lines.
    """
    parts, browsers = _parts(state, key, session), session.browsers
    lines = list(chain(*parts))
    own = lines if len(browsers) == 1 else [line for line in lines if line.owner == owner]
    if len(own) == len(lines):
        forget(state, key, session)
        return Bought(own, _adds_up(own, total))
    agent = None if owner is None else browsers[owner][:_AGENT_CHARACTERS]
    like = [line for line in lines if browsers[line.owner][:_AGENT_CHARACTERS] == agent]
    candidates = [own] if is_verified is False else [own, like, lines]
    found = next((each for each in candidates if each and _adds_up(each, total)), None)
    if found is None:
        found = next(filter(None, candidates if is_verified else candidates[:2]), [])
    taken = set(map(id, found))
    _keep(state, key, session, parts, lambda line: id(line) not in taken)
    return Bought(found, _adds_up(found, total))


def forget(state: State, key: bytes, session: Session) -> None:
    """Delete the cart."""
    if session.apart is not None:
        for part in range(session.apart.parts):
            state.delete(_part_key(key, part))
    session.cart = session.apart = None


def _parts(state: State, key: bytes, session: Session) -> list[list[CartLine]]:
    """The cart's lines in the order they were added: those of each part, then those in the session's record."""
    cart, apart = session.cart or [], session.apart
    if apart is None:
        return [cart]
    stored = [state.get(_part_key(key, part)) for part in range(apart.parts)]
    return [*([] if raw is None else _lines(raw) for raw in stored), cart]


def _keep(
    state: State, key: bytes, session: Session, parts: list[list[CartLine]], is_kept: Callable[[CartLine], bool]
) -> None:
    """Remove the other lines, and write the parts that changed."""
    *stored, cart = [list(filter(is_kept, part)) for part in parts]
    session.cart = cart or None
    if session.apart is None:
        return
    lines = list(chain(*stored))
    if not lines and not cart:
        forget(state, key, session)
        return
    for number, part in enumerate(stored):
        place, encoded = _part_key(key, number), _encode(part)
        if encoded != state.get(place):
            state.put(place, encoded)
    session.apart = Apart(session.apart.parts, len(lines), _size(lines))


def _part_key(key: bytes, part: int) -> bytes:
    return CART + key[len(SESSION) :] + b"\0" + part.to_bytes(2, "big")


def order_lines(lines: Sequence[CartLine]) -> list[OrderLine]:
    """Cart lines as order lines."""
    return [OrderLine(sku=line.sku, quantity=line.quantity, unit_price=line.unit_price) for line in lines]


def _size(lines: Sequence[CartLine]) -> int:
    return sum(len(_json(line.sku)) for line in lines)


def _adds_up(lines: Sequence[CartLine], total: str) -> bool:
    amount = _ZERO
    for line in lines:
        amount += line.quantity * _price(line.unit_price)
    return amount == Decimal(total)
