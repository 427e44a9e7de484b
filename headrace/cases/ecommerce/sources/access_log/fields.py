"""The fields of an access-log line, as text: Common and Combined Log Format, and nginx's own `main`.

Two patterns match the same fields: the plain one matches nearly all lines, the general one everything else that the
formats allow (escaped quotes, spaces in names, malformed requests). Splitting by hand was no faster than the plain one.
"""

import re
from datetime import datetime

from headrace.cases.ecommerce.sources.access_log.clients import client_of, forwarded_for, keeps_to_itself
from headrace.streaming.sources.addresses import address_of

Stamp = str | datetime
"""A time as it stands in the log, in Common Log Format; or in UTC, if the format has other times."""

LineFields = tuple[
    str, str, Stamp, str | None, str | None, str | None, str | None, str | None, str, str, str | None, str | None
]
"""Client, user, time, method, path, query, protocol, raw request, status, size, referrer, agent."""

_METHOD, _PROTOCOL = r"[A-Z][A-Z_-]{0,31}", r"HTTP/[0-9](?:\.[0-9])?"
_TARGET = r"([^\s\"\\?\0]++)(?:\?([^\s\"\\\0]*+))?"
_ANSWER = r"([0-9]{3}) ([0-9]{1,18}|-)"
_PLAIN = re.compile(
    # Possessive (`++`): no repetition backtracks, so none has to keep positions.
    rf'([^\s"\0]++) ([^\s"\0]++) ([^\s"\0]++) \[([^\]\0]*+)\] "({_METHOD}) {_TARGET} ({_PROTOCOL})" {_ANSWER}'
    r'(?: "([^"\\\0]*+)" "([^"\\\0]*+)"(?: "([^"\\\0]*+)")?)?[ \t\r]*+',
    re.ASCII,
)
_QUOTED = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
_GENERAL = re.compile(
    # The bounds prevent quadratic time on a hostile line.
    rf"(\S+) (\S+) (\S.{{0,255}}?) \[([^\]]{{0,64}})\] {_QUOTED} {_ANSWER}"
    rf"(?: {_QUOTED} {_QUOTED}(?: {_QUOTED})?)?[ \t\r]*",
    re.ASCII,
)
_REQUEST = re.compile(f"({_METHOD}) {_TARGET} ({_PROTOCOL})", re.ASCII)
_ESCAPED = re.compile(r'\\(["\\])')


def match_plain(line: str) -> LineFields | None:
    """The fields of a line with nothing unusual in it; None only means that `match_general` must be tried."""
    match = _PLAIN.fullmatch(line)
    if match is None:
        return None
    first, identity, user, stamp, method, path, query, protocol, status, size, referrer, agent, forwarded = (
        match.groups()
    )
    client = _client(first, identity, user, forwarded)
    if client is None:
        return None
    return client, user, stamp, method, path, query, protocol, None, status, size, referrer, agent


def match_general(line: str) -> LineFields | None:
    """The fields of a line without NULs; None if it is in neither format."""
    match = _GENERAL.fullmatch(line)
    if match is None:
        return None
    first, identity, user, stamp, request, status, size, referrer, agent, forwarded = match.groups()
    client = _client(first, identity, user, forwarded)
    if client is None:
        return None
    return (client, user, stamp, *split_request(request), status, size, unescape(referrer), unescape(agent))


def _client(first: str, identity: str, user: str, forwarded: str | None) -> str | None:
    """The client; with nginx's `main`, the one that its proxies name. None if something else stands before the client.

    An ident that is an address, and a user that contains ` - `, are remains of such a prefix.
    """
    if identity != "-" and (client_of(identity) is None or address_of(identity) is not None or " " in user):
        return None
    if " " in user and " - " in f" {user} ":
        return None
    client = client_of(first)
    if forwarded is None or client is None or keeps_to_itself(forwarded):
        return client
    return forwarded_for(forwarded)


def split_request(request: str) -> tuple[str | None, str | None, str | None, str | None, str | None]:
    """Method, path, query and protocol of a request line; a malformed one is returned as the last element."""
    found = _REQUEST.fullmatch(request)
    if found is None:
        return None, None, None, None, unescape(request)
    method, path, query, protocol = found.groups()
    return method, path, query, protocol, None


def unescape(text: str | None) -> str | None:
    r"""Undo `\"` and `\\`; escapes such as `\x16` stay as the server wrote them, so that there are no control
    characters."""
    return text if text is None or "\\" not in text else _ESCAPED.sub(r"\1", text)
