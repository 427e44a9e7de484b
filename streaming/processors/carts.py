"""Sessions and their carts, in the state of a partition.

A session is small, and its cart is stored separately in parts of at most `PART_LINES` lines. A page view writes only
the session and a cart change writes one part, so the changelog grows with the visitor's events, not with the cart's
size.

Any client that knows a session id can send hits with it. So each line records the browser (address and user agent) that
added it; other browsers can neither remove nor buy it (`bought`).

State, by key:
    s SESSION             the session
    c SESSION \\0 PART     a part of its cart
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from contracts.ecommerce import OrderLine
from streaming.processors.processor import State

SESSION, CART = b"s", b"c"
PART_LINES = 20
MAX_CART_LINES = 2_000
MAX_CART_BYTES = 600_000
"""Limit on the lines' product codes as JSON, so that an order fits into a record."""
MAX_HITS = 10_000
MAX_BROWSERS = 16
ANYBODYS = -1
"""Owner of lines in a state from before lines had owners."""
_HASH_BYTES = 6
_NONE = frozenset[int]()
"""Shared empty set: most hits do not change the cart, and a set per session would be as large as the session."""
_ZERO = Decimal(0)
_price = lru_cache(maxsize=10_000)(Decimal)


class CartLine(msgspec.Struct, array_like=True, gc=False):
    """One line of a cart. `owner` is the index of the browser that added it among the session's browsers."""

    sku: str
    quantity: int
    unit_price: str
    owner: int = ANYBODYS


class Session(msgspec.Struct, array_like=True, gc=False):
    """A session. `active` is the stream time of its last hit; `hits` counts the accepted hits.

    `cart` has lines in states from before carts were stored separately.
    """

    began: datetime
    active: datetime
    pages: int = 0
    referrer: str | None = None
    currency: str | None = None
    cart: list[CartLine] = msgspec.field(default_factory=list[CartLine])
    hits: int = 0
    lines: int = 0
    size: int = 0
    parts: int = 0
    browsers: list[bytes] = msgspec.field(default_factory=list[bytes])


_encode = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode
_session = msgspec.msgpack.Decoder(Session).decode
_lines = msgspec.msgpack.Decoder(list[CartLine]).decode


@lru_cache(maxsize=10_000)
def browser(client: str, agent: str | None) -> bytes:
    """A browser: the hashes of its user agent and its address."""
    return _hash(agent or "") + _hash(client)


@lru_cache(maxsize=10_000)
def _hash(part: str) -> bytes:
    return blake2b(part.encode(), digest_size=_HASH_BYTES).digest()


def stored_session(state: State, key: bytes) -> Session | None:
    """The session stored under its key (`SESSION` and its identity)."""
    raw = state.get(key)
    return None if raw is None else _session(raw)


class Bought(NamedTuple):
    """The lines of a purchase, and whether they add up to its total."""

    lines: list[CartLine]
    adds_up: bool


class OpenSession:
    """A session during a batch. `save` writes the changes."""

    __slots__ = (
        "_agent",
        "_changed",
        "_client",
        "_key",
        "_owner",
        "_parts",
        "_state",
        "_stored_parts",
        "is_changed",
        "known",
    )

    def __init__(self, state: State, key: bytes, known: Session) -> None:
        self.known = known
        self.is_changed = False
        self._state = state
        self._key = key
        self._stored_parts = known.parts
        self._client: str | None = None
        self._agent: str | None = None
        self._owner: int | None = None
        self._parts: dict[int, list[CartLine]] = {}
        self._changed = _NONE
        if known.cart:
            lines, known.cart = known.cart, []
            for line in lines:
                self.add(line)

    def owner(self, client: str, agent: str | None) -> int | None:
        """The index of a browser among the session's browsers, added if new; None if there are too many."""
        # Usually the browser of the previous hit.
        if client != self._client or agent != self._agent:
            self._client, self._agent = client, agent
            of, browsers = browser(client, agent), self.known.browsers
            if of in browsers:
                self._owner = browsers.index(of)
            elif len(browsers) < MAX_BROWSERS:
                self._owner = len(browsers)
                browsers.append(of)
            else:
                self._owner = None
        return self._owner

    def add(self, line: CartLine) -> bool:
        """Add a line; returns False if the cart is full."""
        known, size = self.known, len(_json(line.sku))
        if known.lines >= MAX_CART_LINES or known.size + size > MAX_CART_BYTES:
            return False
        last = known.parts - 1
        part = self._part(last) if known.parts else None
        if part is None or len(part) >= PART_LINES:
            last, known.parts = known.parts, known.parts + 1
            part = self._parts[last] = []
        part.append(line)
        self._changed |= {last}
        known.lines += 1
        known.size += size
        return True

    def remove(self, sku: str, quantity: int, owner: int) -> str | None:
        """Remove units that this owner added, latest first; returns a reason if that is not possible."""
        of_sku = [line for line in self.lines() if line.sku == sku]
        mine = [line for line in of_sku if line.owner in (owner, ANYBODYS)]
        if not mine:
            return "removed what another visitor added" if of_sku else "removed what is not in the cart"
        touched: list[CartLine] = []
        for line in reversed(mine):
            taken = min(quantity, line.quantity)
            line.quantity -= taken
            quantity -= taken
            touched += [line] if taken or not line.quantity else []
        self._drop([line for line in mine if not line.quantity], touched)
        return None

    def bought(self, total: str, owner: int | None, *, is_verified: bool | None) -> Bought:
        """The lines of a purchase by this owner, which are removed from the cart.

        By default these are the owner's lines. If the visitor's address has changed, they are the lines of the same
        user agent; if the user agent has changed too, all lines. This requires that they add up to the total, or that
        the shop has signed the purchase. An unsigned purchase with a known key only takes the owner's lines.
        """
        lines, browsers = self.lines(), self.known.browsers
        own = lines if len(browsers) == 1 else [line for line in lines if line.owner in (owner, ANYBODYS)]
        if len(own) == len(lines):
            self._drop_all()
            return Bought(own, _adds_up(own, total))
        agent = None if owner is None else browsers[owner][:_HASH_BYTES]
        like = [line for line in lines if line.owner == ANYBODYS or browsers[line.owner][:_HASH_BYTES] == agent]
        candidates = [own] if is_verified is False else [own, like, lines]
        found = next((each for each in candidates if each and _adds_up(each, total)), None)
        if found is None:
            found = next(filter(None, candidates if is_verified else candidates[:2]), [])
        self._drop(found)
        return Bought(found, _adds_up(found, total))

    def lines(self) -> list[CartLine]:
        """The cart's lines, in the order they were added."""
        return [line for part in range(self.known.parts) for line in self._part(part)]

    def save(self) -> None:
        """Write the session and the changed parts of its cart."""
        if not self.is_changed:
            return
        self._state.put(self._key, _encode(self.known))
        if not self._changed and self.known.parts == self._stored_parts:
            return
        for part in sorted(self._changed):
            if part < self.known.parts:
                self._state.put(self._part_key(part), _encode(self._parts[part]))
        for part in range(self.known.parts, self._stored_parts):
            self._state.delete(self._part_key(part))

    def forget(self) -> None:
        """Delete the session with its cart."""
        for part in range(self._stored_parts):
            self._state.delete(self._part_key(part))
        self._state.delete(self._key)

    def _drop(self, gone: Sequence[CartLine], touched: Sequence[CartLine] = ()) -> None:
        """Remove lines from their parts, and mark the parts of changed lines."""
        known, leaving, staying = self.known, set(map(id, gone)), set(map(id, touched))
        for part in range(known.parts):
            before = self._part(part)
            if not (leaving | staying).isdisjoint(map(id, before)):
                self._parts[part] = [line for line in before if id(line) not in leaving]
                self._changed |= {part}
        known.lines -= len(gone)
        known.size -= sum(len(_json(line.sku)) for line in gone)
        if not known.lines:
            known.parts = 0

    def _drop_all(self) -> None:
        self.known.lines = self.known.size = self.known.parts = 0

    def _part(self, part: int) -> list[CartLine]:
        lines = self._parts.get(part)
        if lines is None:
            raw = self._state.get(self._part_key(part))
            lines = self._parts[part] = [] if raw is None else _lines(raw)
        return lines

    def _part_key(self, part: int) -> bytes:
        return CART + self._key[len(SESSION) :] + b"\0" + part.to_bytes(2, "big")


def order_lines(lines: Sequence[CartLine]) -> list[OrderLine]:
    """Cart lines as order lines."""
    return [OrderLine(sku=line.sku, quantity=line.quantity, unit_price=line.unit_price) for line in lines]


def _adds_up(lines: Sequence[CartLine], total: str) -> bool:
    amount = _ZERO
    for line in lines:
        amount += line.quantity * _price(line.unit_price)
    return amount == Decimal(total)
