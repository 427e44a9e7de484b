"""A token, and what is made from it: sessions for browsers and links that open one. Nothing is stored.

A session is the time at which it ends with a keyed hash of it (HMAC-SHA256 by the token), so it ends early when the
token is replaced. A link bears the same for another purpose and a short time, so that no token stands in a terminal.
"""

import hmac
from dataclasses import dataclass, field

SESSION_SECONDS = 30 * 86_400
LINK_SECONDS = 3_600


@dataclass(frozen=True)
class Credential:
    """A token, and the name of the cookie that bears its sessions: browsers send cookies to all ports of an address."""

    cookie: str
    token: str = field(repr=False)

    def session(self, now: float) -> str:
        """The value of a new session's cookie."""
        return self._signed("session", int(now) + SESSION_SECONDS)

    def knows_session(self, value: str, now: float) -> bool:
        """Whether it is a session of this token that has not ended."""
        return self._is_signed("session", value, now)

    def link(self, address: str, now: float) -> str:
        """An address that opens a session. Browsers send what follows `#` to no server."""
        return f"{address}#token={self._signed('link', int(now) + LINK_SECONDS)}"

    def opens(self, given: str, now: float) -> bool:
        """Whether a session may be opened with this: the token itself, or what a link bears."""
        return hmac.compare_digest(given.encode(), self.token.encode()) or self._is_signed("link", given, now)

    def _signed(self, purpose: str, until: int) -> str:
        digest = hmac.digest(self.token.encode(), f"{purpose} {self.cookie} {until}".encode(), "sha256")
        return f"{until}.{digest.hex()}"

    def _is_signed(self, purpose: str, value: str, now: float) -> bool:
        until, _, _ = value.partition(".")
        if not (until.isascii() and until.isdecimal() and len(until) <= 12 and int(until) > now):
            return False
        return hmac.compare_digest(value.encode(), self._signed(purpose, int(until)).encode())
