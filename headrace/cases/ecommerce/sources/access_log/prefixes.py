"""Removes the prefixes that known logging programs put before a line of an access log.

A line with an unknown prefix is rejected, since the first word of the prefix would be taken for the client.
"""

import re

from headrace.cases.ecommerce.sources.access_log.clients import client_of
from headrace.streaming.sources.addresses import address_of

MOST = 4
"""Prefixes before one line, such as those of kubectl, of the container's runtime, and a virtual host."""

_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}(?:[.,][0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})"
_SYSLOG_TIME = rf"(?:[A-Z][a-z]{{2}} [ 0-9][0-9] [0-9:]{{8}}(?:\.[0-9]{{1,6}})?|{_ISO}|[0-9]{{9,10}}\.[0-9]{{6}})"
_TAG = r"[^\s:\[\]]{1,100}(?:\[[0-9]{1,10}\])?: "

_KNOWN = tuple(
    re.compile(pattern)
    for pattern in (
        "\ufeff",
        # syslog (RFC 3164, and with rsyslog's times), journalctl: `Nov 20 10:00:00 web1 nginx[12]: `
        rf"(?:<[0-9]{{1,3}}>)?{_SYSLOG_TIME} \S{{1,255}} {_TAG}",
        # journalctl -o short-full: `Fri 2026-11-20 10:00:00 UTC web1 nginx[12]: `
        rf"[A-Z][a-z]{{2}} [0-9-]{{10}} [0-9:]{{8}} [A-Z]{{1,5}} \S{{1,255}} {_TAG}",
        # syslog (RFC 5424): `<190>1 2026-11-20T10:00:00Z web1 nginx 12 - - `
        rf"<[0-9]{{1,3}}>1 (?:{_ISO}|-) \S{{1,255}} \S{{1,48}} \S{{1,128}} \S{{1,32}} -\s",
        # The container runtime (CRI); `P` marks a partial line and is not removed.
        rf"{_ISO} std(?:out|err) F ",
        # docker logs -t, kubectl logs --timestamps
        rf"{_ISO} ",
        # kubectl logs --prefix: `[pod/web-0/nginx] `
        r"\[pod/[^\]\s]{1,600}\] |pod/[^\s\[]{1,300} ",
        # docker compose logs: `web-1  | `
        r"[A-Za-z0-9_.-]{1,100} {1,60}\| ",
    )
)
_VIRTUAL_HOST = re.compile(r"(?:[A-Za-z0-9_*.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5} ")
_NAME = re.compile(r"([A-Za-z0-9_*.-]{1,253}) (\S{1,64}) ")
_FILE = re.compile(r"([^\s:\[\]\"]{1,255}):(?:([0-9]{1,9}):)?")
_PROXIES = re.compile(r"((?:[^\s,\"\[]{1,64}, ?){1,20}[^\s,\"\[]{1,64}) ")


def without_prefix(line: str) -> str | None:
    """The line without the first of its prefixes, or with the client of a list of proxies; None if it has no prefix."""
    for pattern in _KNOWN:
        if (found := pattern.match(line)) is not None:
            return line[found.end() :]
    if (found := _PROXIES.match(line)) is not None:
        client = client_of(found[1])
        return None if client is None else f"{client} {line[found.end() :]}"
    # Apache's `vhost_combined`: `shop.example:443 198.51.100.7 - - […`, without a port only before an address.
    if (found := _VIRTUAL_HOST.match(line)) is not None:
        return line[found.end() :]
    if (found := _NAME.match(line)) is not None and client_of(found[1]) is not None and address_of(found[1]) is None:
        return line[found.start(2) :] if address_of(found[2]) is not None else None
    return _without_file(line)


def _without_file(line: str) -> str | None:
    """`grep -H` and `grep -Hn` put `access.log:` or `access.log:17:` directly before the client."""
    found = _FILE.match(line)
    if found is None:
        return None
    whole, after_name = found.end(), found.end(1) + 1
    if found[2] is None:
        return line[whole:]
    # A number may also be the beginning of an IPv6 address; those of the internet begin with 2 or 3.
    starts = [at for at in (after_name, whole) if _begins_with_a_client(line[at : at + 300])]
    public = [at for at in starts if re.match("[23][0-9A-Fa-f]{3}:", line[at:])]
    chosen = starts if len(starts) == 1 else public
    return line[chosen[0] :] if len(chosen) == 1 else None


def _begins_with_a_client(text: str) -> bool:
    return client_of(text.partition(" ")[0]) is not None
