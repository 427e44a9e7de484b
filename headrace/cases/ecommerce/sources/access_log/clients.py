"""Reads the client of a line: an IP address, a resolved host name, or `-` if the log has none.

Servers and proxies write the same client in several forms: with a port, in brackets, as IPv4 mapped into IPv6, as the
first of a list of proxies. All are normalized to one form, since a visitor is identified by it.
"""

import re
from functools import lru_cache

from headrace.streaming.sources.addresses import address_of

CACHED = 100_000
MAX_LIST_LENGTH = 2_048
"""Maximum characters of a list of proxies; no real client has a longer one."""
NONE = ("-", "unix:")
"""What Apache and nginx write without an address; `unix:` is a client on a Unix socket."""

_PART = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_V4 = re.compile(rf"(?:{_PART}\.){{3}}{_PART}")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,254}}\Z){_LABEL}(?:\.{_LABEL})*+\.?")
_ENDS_IN_A_NUMBER = re.compile(r"(?:.*\.)?[0-9]+\.?")
_WITH_PORT = re.compile(r"([^:\[\]]+|\[[^\[\]]*\]):[0-9]{1,5}")


@lru_cache(maxsize=CACHED)
def client_of(text: str) -> str | None:
    """The client in its normalized form; None if the text is not a client."""
    # Most are normalized IPv4 addresses; this check takes a tenth of the time of the rest.
    if _V4.fullmatch(text) is not None or text in NONE:
        return text
    return forwarded_for(text) or _host_name(text)


def forwarded_for(text: str) -> str | None:
    """The first address in a list of proxies (`X-Forwarded-For`): the client's own, since each proxy adds one."""
    # Proxies that hide the client write `unknown`.
    return next(filter(None, map(_address, text[:MAX_LIST_LENGTH].split(","))), None)


def keeps_to_itself(text: str) -> bool:
    """Whether a list of proxies names no client (RFC 7239: `unknown`, and identifiers that begin with `_`)."""
    return all(each.strip() in ("-", "unknown") or each.strip()[:1] == "_" for each in text.split(","))


def _address(text: str) -> str | None:
    text = text.strip()
    if (found := _WITH_PORT.fullmatch(text)) is not None:
        text = found[1]
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    return address_of(text)


def _host_name(text: str) -> str | None:
    """A host name; one that ends in a number is a damaged address, and `unknown` is how proxies hide a client."""
    if (found := _WITH_PORT.fullmatch(text)) is not None:
        text = found[1]
    if _HOST_NAME.fullmatch(text) is None or _ENDS_IN_A_NUMBER.fullmatch(text) or text.lower() == "unknown":
        return None
    return text
