"""The rules that every request must satisfy before the application sees it. Pure: headers in, a refusal or None out.

1. Host names this server (RFC 9110, 7.2). This blocks DNS rebinding.
2. Origin and Sec-Fetch-Site show that the request comes from this server's pages, or not from a page.
3. The method is GET, HEAD or POST, and the body has a type that another origin cannot send without a preflight.
4. The request has a token or a session, unless the path is public.
"""

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from headrace.guard.sessions import Credential

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
METHODS = frozenset({"GET", "HEAD", "POST"})
JSON = "application/json"
_SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True)
class Refusal:
    """Why a request is denied."""

    status: int
    message: str


@dataclass(frozen=True)
class Asked:
    """A request, before its body."""

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
        """The first value of a header, or an empty string."""
        return next(iter(self.values(name)), "")

    @property
    def is_page_visit(self) -> bool:
        """Whether a browser opens this as a top-level page, or sends no information about it."""
        return self.method in _SAFE and self.value("sec-fetch-dest") in ("", "document")


def _nothing_more(_asked: Asked) -> Refusal | None:
    return None


@dataclass(frozen=True)
class Door:
    """What one port allows. `own_names` are its host names besides those of the loopback interface."""

    credentials: tuple[Credential, ...] = ()
    """Any of these grants access; if there are none, everything is public."""
    own_names: frozenset[str] = frozenset()
    body_types: frozenset[str] | None = frozenset({JSON})
    """Allowed content types; None if the application checks them itself."""
    is_public: Callable[[Asked], bool] = lambda _asked: False
    images: str | None = None
    """Path prefixes of images, which pages on this machine's other ports may embed."""
    also: Callable[[Asked], Refusal | None] = _nothing_more
    """Additional rules of the application."""

    def refusal(self, asked: Asked, now: float) -> Refusal | None:
        """The first rule that the request violates; None if it is allowed."""
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
        """Whether the request has a token or a session of one of the credentials."""
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
        return Refusal(400, "Unknown host name. Set additional names in HEADRACE_HTTP_HOSTS.")

    def _method(self, asked: Asked) -> Refusal | None:
        return None if asked.method in METHODS else Refusal(405, "Only GET, HEAD and POST are supported.")

    def _origin(self, asked: Asked, *, public: bool) -> Refusal | None:
        refusal = Refusal(403, "Requests from pages of another origin are not allowed.")
        if public and asked.method in _SAFE and not asked.websocket:
            return None
        site = asked.value("sec-fetch-site")
        if site not in ("", "same-origin", "none") and not self._may_come_from_elsewhere(asked, site):
            return refusal
        if public and site == "same-origin":
            return None  # A proxy in front of a public page may have changed Host, which Origin is compared with.
        return None if all(map(self._is_own(asked), asked.values("origin"))) else refusal

    def _may_come_from_elsewhere(self, asked: Asked, site: str) -> bool:
        """Whether this is navigation from a link elsewhere, or an image embedded by a page on this machine."""
        if asked.websocket or asked.method not in _SAFE:
            return False
        if self.images is not None and asked.path.startswith(self.images) and asked.value("sec-fetch-dest") == "image":
            return site == "same-site"
        return asked.value("sec-fetch-mode") == "navigate" and asked.value("sec-fetch-dest") == "document"

    def _is_own(self, asked: Asked) -> Callable[[str], bool]:
        def is_own(origin: str) -> bool:
            scheme, _, place = origin.lower().partition("://")
            # Another port of the loopback interface is another origin; `own_names` may be those of a proxy.
            return scheme in ("http", "https") and (
                place == asked.value("host").lower() or _name(place) in self.own_names - LOOPBACK
            )

        return is_own

    def _body(self, asked: Asked) -> Refusal | None:
        has_body = asked.value("content-length") not in ("", "0") or asked.value("transfer-encoding")
        kind = asked.value("content-type").partition(";")[0].strip().lower()
        if asked.method != "POST" or not has_body or self.body_types is None or kind in self.body_types:
            return None
        return Refusal(415, f"Send the body as {' or '.join(sorted(filter(None, self.body_types)))}.")


_NO_CREDENTIAL = "Send `Authorization: Bearer` with the token, or open the link that `headrace login` prints."


def names(hosts: Iterable[str]) -> frozenset[str]:
    """The names of hosts as they are compared, in lower case."""
    return frozenset(host.lower() for host in hosts)


def _name(host: str) -> str:
    """The name in `name:port`, in lower case; empty if the text is neither a name nor `name:port`."""
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
