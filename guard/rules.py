"""The rules that a request has to keep before anything else looks at it. Pure: headers in, a refusal or None out.

1. Host names this server (RFC 9110, 7.2). A page whose own name was made to mean this address (DNS rebinding) does not.
2. Origin and Sec-Fetch-Site say that the request comes from this server's own pages, or from no page at all.
3. The method is GET, HEAD or POST, and a body is of a type that no foreign page can send unasked.
4. There is a token or a session, unless the path is public.
"""

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from guard.sessions import Credential

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
METHODS = frozenset({"GET", "HEAD", "POST"})
JSON = "application/json"
_SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class Refusal:
    """Why a request is not let through."""

    status: int
    message: str


@dataclass(frozen=True)
class Asked:
    """What is known of a request before its body."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    """Names in lower case."""
    websocket: bool = False

    def values(self, name: str) -> list[str]:
        """All values of a header."""
        return [value for given, value in self.headers if given == name]

    def value(self, name: str) -> str:
        """The first value of a header, or nothing."""
        return next(iter(self.values(name)), "")

    @property
    def is_page_visit(self) -> bool:
        """Whether a browser opens this as a page of its own, or does not say what it does with it."""
        return self.method in _SAFE and self.value("sec-fetch-dest") in ("", "document")


def _nothing_more(_asked: Asked) -> Refusal | None:
    return None


@dataclass(frozen=True)
class Door:
    """What one port lets through. `own_names` are names, beside the loopback's, by which it is reached."""

    credentials: tuple[Credential, ...] = ()
    """Any of them opens; without one everything is public."""
    own_names: frozenset[str] = frozenset()
    body_types: frozenset[str] | None = frozenset({JSON})
    """Types of a body; None where the application looks at them itself."""
    is_public: Callable[[Asked], bool] = lambda _asked: False
    images: str | None = None
    """Paths that begin so are pictures, which pages of this machine's other ports may show."""
    also: Callable[[Asked], Refusal | None] = _nothing_more
    """What else the application behind it wants refused."""

    def refusal(self, asked: Asked, now: float) -> Refusal | None:
        """The first rule that the request breaks; None when it may pass."""
        public = not self.credentials or self.is_public(asked)
        return (
            self._host(asked)
            or self._method(asked)
            or self._origin(asked, public=public)
            or self._body(asked)
            or self.also(asked)
            or (None if public or self.admits(asked, now) else Refusal(401, _NO_CREDENTIAL))
        )

    def same_origin(self, asked: Asked) -> Refusal | None:
        """Rules 1 to 3, for the request that opens a session."""
        return self._host(asked) or self._method(asked) or self._origin(asked, public=False) or self._body(asked)

    def admits(self, asked: Asked, now: float) -> bool:
        """Whether the request bears a token or a session of one of the credentials."""
        scheme, _, token = asked.value("authorization").partition(" ")
        bearer = token.strip() if scheme.lower() == "bearer" else ""
        cookies = list(_cookies(asked.values("cookie")))
        return any(
            hmac.compare_digest(bearer.encode(), each.token.encode())
            or any(each.knows_session(value, now) for name, value in cookies if name == each.cookie)
            for each in self.credentials
        )

    def _host(self, asked: Asked) -> Refusal | None:
        hosts = asked.values("host")
        if len(hosts) == 1 and _name(hosts[0]) in LOOPBACK | self.own_names:
            return None
        return Refusal(400, "This server is not known by that name. Names of your own are set by HEADRACE_HTTP_HOSTS.")

    def _method(self, asked: Asked) -> Refusal | None:
        return None if asked.method in METHODS else Refusal(405, "Only GET, HEAD and POST are answered.")

    def _origin(self, asked: Asked, *, public: bool) -> Refusal | None:
        refusal = Refusal(403, "A page of another origin asked. Only this server's own pages may.")
        if public and asked.method in _SAFE and not asked.websocket:
            return None
        site = asked.value("sec-fetch-site")
        if site not in ("", "same-origin", "none") and not self._may_come_from_elsewhere(asked, site):
            return refusal
        if public and site == "same-origin":
            return None  # A proxy before a public page may have changed Host, which Origin is held against.
        return None if all(map(self._is_own(asked), asked.values("origin"))) else refusal

    def _may_come_from_elsewhere(self, asked: Asked, site: str) -> bool:
        """Opening a page by a link elsewhere, and a picture on a page of this machine; a browser says which it is."""
        if asked.websocket or asked.method not in _SAFE:
            return False
        if self.images is not None and asked.path.startswith(self.images) and asked.value("sec-fetch-dest") == "image":
            return site == "same-site"
        return asked.value("sec-fetch-mode") == "navigate" and asked.value("sec-fetch-dest") == "document"

    def _is_own(self, asked: Asked) -> Callable[[str], bool]:
        def is_own(origin: str) -> bool:
            scheme, _, place = origin.lower().partition("://")
            # Another port of the loopback is another origin; a name of one's own may be that of a proxy before this.
            return scheme in ("http", "https") and (
                place == asked.value("host").lower() or _name(place) in self.own_names - LOOPBACK
            )

        return is_own

    def _body(self, asked: Asked) -> Refusal | None:
        has_body = asked.value("content-length") not in ("", "0") or asked.value("transfer-encoding")
        kind = asked.value("content-type").partition(";")[0].strip().lower()
        if asked.method != "POST" or not has_body or self.body_types is None or kind in self.body_types:
            return None
        return Refusal(415, f"A body is sent as {' or '.join(sorted(filter(None, self.body_types)))}.")


_NO_CREDENTIAL = "Send `Authorization: Bearer` with the token, or open the link that `headrace login` prints."


def names(text: str) -> frozenset[str]:
    """The names in a setting, separated by commas."""
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())


def _name(host: str) -> str:
    """The name in `name:port`, in lower case; nothing where it is neither."""
    try:
        parts = urlsplit(f"//{host.lower()}")
        _ = parts.port
    except ValueError:
        return ""
    if parts.path or parts.query or parts.fragment or "@" in host or parts.hostname is None:
        return ""
    return f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname


def _cookies(headers: Iterable[str]) -> Iterable[tuple[str, str]]:
    for header in headers:
        for pair in header.split(";"):
            name, _, value = pair.partition("=")
            yield name.strip(), value.strip()
