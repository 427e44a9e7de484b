"""Sessions for browsers, and links that open one, derived from a token. Nothing is stored.

A session consists of its expiry time and an HMAC-SHA256 of it, keyed with the token, so replacing the token ends all
sessions. A link has the same form with another purpose and a short lifetime, so that no token is shown in a terminal.
"""

import hmac
from dataclasses import dataclass, field

SESSION_SECONDS = 30 * 86_400
LINK_SECONDS = 3_600


@dataclass(frozen=True)
class Credential:
    """A token, and the name of its session cookie: browsers send cookies to all ports of an address."""

    cookie: str
    token: str = field(repr=False)

    def session(self, now: float) -> str:
        """The value of a new session's cookie."""
        return self._signed("session", int(now) + SESSION_SECONDS)

    def knows_session(self, value: str, now: float) -> bool:
        """Whether this is a valid session of this token."""
        return self._is_signed("session", value, now)

    def link(self, address: str, now: float) -> str:
        """A URL that opens a session. Browsers do not send the part after `#` to any server."""
        return f"{address}#token={self._signed('link', int(now) + LINK_SECONDS)}"

    def opens(self, given: str, now: float) -> bool:
        """Whether this opens a session: the token itself, or the secret of a link."""
        return hmac.compare_digest(given.encode(), self.token.encode()) or self._is_signed("link", given, now)

    def _signed(self, purpose: str, until: int) -> str:
        digest = hmac.digest(self.token.encode(), f"{purpose} {self.cookie} {until}".encode(), "sha256")
        return f"{until}.{digest.hex()}"

    def _is_signed(self, purpose: str, value: str, now: float) -> bool:
        until, _, _ = value.partition(".")
        if not (until.isascii() and until.isdecimal() and len(until) <= 12 and int(until) > now):
            return False
        return hmac.compare_digest(value.encode(), self._signed(purpose, int(until)).encode())
