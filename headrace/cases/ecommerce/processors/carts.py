"""Sessions and their carts, in the state of a partition.

A small cart is in the session's record. Once it has `INLINE_LINES` lines, they are stored separately as a part of the
cart, and later lines start again in the record. So a page view rewrites a few hundred bytes at most, and the changelog
grows with the visitor's events, not with the cart's size.

Any client that knows a session id can send hits with it. So each line records the browser (address and user agent) that
added it; other browsers can neither remove nor buy it (`bought`).
"""

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from itertools import chain

import msgspec

from headrace.streaming.runtime.processing.tables import Entries

INLINE_LINES, INLINE_CHARACTERS = 12, 24
"""The record of a session has fewer lines than this, and none with a longer product code."""
MAX_CART_LINES = 2_000
MAX_CART_BYTES = 600_000
"""Limit on the lines' product codes as JSON, so that an order fits into a record."""
MAX_HITS = 10_000
MAX_BROWSERS = 16
_AGENT_BYTES, _AGENT_CHARACTERS = 6, 8
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
    sent hits (`agent_part`, `CLIENT_PART`), separated by line feeds; one string is quicker to read than a list.
    """

    began: datetime
    active: datetime
    browsers: str
    pages: int = 0
    referrer: str | None = None
    currency: str | None = None
    hits: int = 0
    cart: list[CartLine] | None = None
    apart: Apart | None = None

    def owner(self, of: str) -> int | None:
        """The index of a browser among the session's browsers, added if new; None if there are too many."""
        browsers = self.all_browsers()
        if of in browsers:
            return browsers.index(of)
        if len(browsers) >= MAX_BROWSERS:
            return None
        self.browsers = f"{self.browsers}\n{of}"
        return len(browsers)

    def all_browsers(self) -> list[str]:
        """The session's browsers. The owner of a line is an index in this list."""
        return self.browsers.split("\n")


_json = msgspec.json.Encoder().encode


@lru_cache(maxsize=10_000)
def agent_part(agent: str | None) -> str:
    """The first `_AGENT_CHARACTERS` of a browser: the hash of its user agent."""
    return b64encode(blake2b((agent or "").encode(), digest_size=_AGENT_BYTES).digest()).decode()


CLIENT_PART = slice(-12, None)
"""The rest of a browser: these characters of its client's id, which is a keyed hash already."""


class Carts:
    """The carts of sessions, in a batch. They change with their sessions, which the caller writes."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Entries[list[CartLine]]) -> None:
        """`parts` has those that are stored separately, by session and number."""
        self._parts = parts

    def add(self, key: bytes, session: Session, line: CartLine) -> str | None:
        """Add a line; returns a reason if that is not possible. `key` is the session's."""
        cart, apart = session.cart, session.apart
        if cart is None:
            cart = session.cart = []
        if apart is not None and (
            apart.lines + len(cart) >= MAX_CART_LINES or apart.size + _size([*cart, line]) > MAX_CART_BYTES
        ):
            return "cart is full"
        cart.append(line)
        if len(cart) >= INLINE_LINES or len(line.sku) > INLINE_CHARACTERS:
            apart = apart or Apart()
            self._parts.put(_part_key(key, apart.parts), cart)
            session.apart = Apart(apart.parts + 1, apart.lines + len(cart), apart.size + _size(cart))
            session.cart = None
        return None

    def remove(self, key: bytes, session: Session, sku: str, quantity: int, owner: int) -> str | None:
        """Remove units that this owner added, latest first; returns a reason if that is not possible."""
        parts = self._read(key, session)
        is_present = False
        mine: list[CartLine] = []
        for part in parts:
            for line in part:
                if line.sku == sku:
                    is_present = True
                    if line.owner == owner:
                        mine.append(line)
        if not mine:
            return "removed what another visitor added" if is_present else "removed what is not in the cart"
        gone: set[int] = set()
        for line in reversed(mine):
            taken = min(quantity, line.quantity)
            line.quantity -= taken
            quantity -= taken
            if not line.quantity:
                gone.add(id(line))
        self._keep(key, session, parts, gone)
        return None

    def buy(
        self, key: bytes, session: Session, total: str, owner: int | None, *, is_verified: bool | None
    ) -> tuple[list[CartLine], bool]:
        """The lines of a purchase by this owner, which are removed from the cart; and whether they add up to `total`.

        By default these are the owner's lines. If the visitor's address has changed, they are the lines of the same
        user agent; if the user agent has changed too, all lines. This requires that they add up to the total, or that
        the shop has signed the purchase. An unsigned purchase with a known key only takes the owner's lines.
        """
        parts, browsers = self._read(key, session), session.all_browsers()
        lines = parts[0] if len(parts) == 1 else list(chain(*parts))
        own = lines if len(browsers) == 1 else [line for line in lines if line.owner == owner]
        if len(own) == len(lines):
            self.forget(key, session)
            return own, _adds_up(own, total)
        agent = None if owner is None else browsers[owner][:_AGENT_CHARACTERS]
        like = [line for line in lines if browsers[line.owner][:_AGENT_CHARACTERS] == agent]
        candidates = [own] if is_verified is False else [own, like, lines]
        found = next((each for each in candidates if each and _adds_up(each, total)), None)
        if found is None:
            found = next(filter(None, candidates if is_verified else candidates[:2]), [])
        self._keep(key, session, parts, set(map(id, found)))
        return found, _adds_up(found, total)

    def forget(self, key: bytes, session: Session) -> None:
        """Empty the cart."""
        if session.apart is not None:
            for part in range(session.apart.parts):
                self._parts.delete(_part_key(key, part))
        session.cart = session.apart = None

    def _read(self, key: bytes, session: Session) -> list[list[CartLine]]:
        """The lines in the order they were added: those of each separate part, then those in the session's record."""
        cart, apart = session.cart or [], session.apart
        if apart is None:
            return [cart]
        return [*(self._parts.get(_part_key(key, part)) or [] for part in range(apart.parts)), cart]

    def _keep(self, key: bytes, session: Session, parts: list[list[CartLine]], gone: set[int]) -> None:
        """Remove the lines with these ids, and write what changed of `parts`, as they were read."""
        if session.apart is None:
            session.cart = [line for line in parts[0] if id(line) not in gone] or None
            return
        *stored, cart = [[line for line in part if id(line) not in gone] for part in parts]
        session.cart = cart or None
        lines = list(chain(*stored))
        if not lines and not cart:
            self.forget(key, session)
            return
        for number, part in enumerate(stored):
            if part != self._parts.get(_part_key(key, number)):
                self._parts.put(_part_key(key, number), part)
        session.apart = Apart(session.apart.parts, len(lines), _size(lines))


def _part_key(key: bytes, part: int) -> bytes:
    return key + b"\0" + part.to_bytes(2, "big")


def _size(lines: Sequence[CartLine]) -> int:
    return sum(len(_json(line.sku)) for line in lines)


def _adds_up(lines: Sequence[CartLine], total: str) -> bool:
    amount = _ZERO
    for line in lines:
        amount += line.quantity * _price(line.unit_price)
    return amount == Decimal(total)
