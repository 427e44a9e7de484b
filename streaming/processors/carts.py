"""What is known of a session, and its cart, in the state of a partition.

A session is small and its cart stands apart from it, in parts of at most `PART_LINES` lines: a page view writes the
session alone, a change of the cart one part, so that the changelog grows by what a visitor sends and not by what the
cart holds.

Whoever knows a session's id can send hits under it. So each line remembers the browser (address and user agent) that
put it in: others neither take it out nor buy it (`bought`).

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
"""Of its lines' product codes as JSON: with them an order still fits into a record."""
MAX_HITS = 10_000
MAX_BROWSERS = 16
ANYBODYS = -1
"""Owner of the lines of a state from before lines had owners."""
_HASH_BYTES = 6
_NONE = frozenset[int]()
"""Most hits leave the cart alone, and a set for each session of a batch would be as large as the session."""
_ZERO = Decimal(0)
_price = lru_cache(maxsize=10_000)(Decimal)


class CartLine(msgspec.Struct, array_like=True, gc=False):
    """One line of a cart. `owner` is the place of the browser that put it in among the session's."""

    sku: str
    quantity: int
    unit_price: str
    owner: int = ANYBODYS


class Session(msgspec.Struct, array_like=True, gc=False):
    """What is known of a session. `active` is the stream time at its last hit; `hits` are those that were taken.

    `cart` is where lines stood before they stood apart.
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
    """A browser: the hash of its user agent, and that of its address."""
    return _hash(agent or "") + _hash(client)


@lru_cache(maxsize=10_000)
def _hash(part: str) -> bytes:
    return blake2b(part.encode(), digest_size=_HASH_BYTES).digest()


def stored_session(state: State, key: bytes) -> Session | None:
    """What is stored of a session under its key (`SESSION` and its identity)."""
    raw = state.get(key)
    return None if raw is None else _session(raw)


class Bought(NamedTuple):
    """The lines that a purchase is of, and whether they add up to its total."""

    lines: list[CartLine]
    adds_up: bool


class OpenSession:
    """A session for the length of a batch. `save` writes what has changed."""

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
        """The place of a browser among the session's, which may be a new one; None where there is no room for it."""
        # As a rule it is the browser of the hit before.
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
        """Put a line in; False where the cart is full."""
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
        """Take so many units out of what this owner put in, the last first; or say why not."""
        of_sku = [line for line in self.lines() if line.sku == sku]
        mine = [line for line in of_sku if line.owner in (owner, ANYBODYS)]
        if not mine:
            return "removed what another visitor put in" if of_sku else "removed what is not in the cart"
        touched: list[CartLine] = []
        for line in reversed(mine):
            taken = min(quantity, line.quantity)
            line.quantity -= taken
            quantity -= taken
            touched += [line] if taken or not line.quantity else []
        self._drop([line for line in mine if not line.quantity], touched)
        return None

    def bought(self, total: str, owner: int | None, *, is_verified: bool | None) -> Bought:
        """The lines that a purchase by this owner is of, which leave the cart.

        These are the owner's own. Of a visitor whose address changed on the way they are those of the same user agent,
        and of one whose user agent changed too, all: where they add up to the total, or where the shop has signed the
        purchase. A purchase that lacks a signature takes no lines but the owner's own.
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
        """The cart, in the order in which it was filled."""
        return [line for part in range(self.known.parts) for line in self._part(part)]

    def save(self) -> None:
        """Write the session, and what has changed of its cart."""
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
        """Take lines out of their parts, and note that others have changed where they are."""
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
    """Lines of a cart as those of an order."""
    return [OrderLine(sku=line.sku, quantity=line.quantity, unit_price=line.unit_price) for line in lines]


def _adds_up(lines: Sequence[CartLine], total: str) -> bool:
    amount = _ZERO
    for line in lines:
        amount += line.quantity * _price(line.unit_price)
    return amount == Decimal(total)
