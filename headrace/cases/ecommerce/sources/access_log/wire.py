"""Writes plain lines of a log directly as the JSON of their events, without creating objects.

Nearly all lines are plain: no character to escape or decode, no user, no pixel hit, nothing personal in the request.
For these, the output equals that of `LineParser.line` byte for byte; all other lines are passed to it. Repeated parts
are cached as JSON: times, requests, responses, referrers, what the lines of a visitor share.

One pattern over a whole block took more CPU time, and so did columns in Polars.
"""

import re
from collections.abc import Callable
from typing import TypeVar
from zlib import crc32

from headrace.cases.ecommerce.sources.access_log.clients import client_of
from headrace.contracts.types import MAX_ID_LENGTH
from headrace.streaming.sources.files import Block
from headrace.streaming.sources.outcomes import Deliverable, Encoded, Outcome

LONGEST = 2_048
"""Maximum bytes of a plain line: longer ones are rare, and would make the caches large."""

VISITORS, TEXTS = 100_000, 10_000
"""Maximum entries of each cache: visitors, and the texts of each other repeated part."""

_K = TypeVar("_K")
_V = TypeVar("_V")

VisitorJson = tuple[bytes, str, str]
"""Key, the fields from `visitor_id` to `client_id`, and those from `user_agent` to the end."""

_PLAIN = bytes(code for code in range(0x20, 0x7F) if code != ord("\\")) + b"\n"
"""Printable ASCII that JSON does not escape; a quotation mark ends a field of the line."""
_REQUEST = re.compile(r"([A-Z][A-Z_-]{0,31}) ([^ ]+) (HTTP/[0-9](?:\.[0-9])?)")
_ANSWER = re.compile(" ([1-9][0-9]{2}) (0|[1-9][0-9]{0,17}|-) ")


def block_writer(
    topic: str,
    source: str,
    *,
    time: Callable[[str], str | None],
    visitor: Callable[[str, str], VisitorJson],
    pixel: str,
    scrub: Callable[[str], str],
    scrub_query: Callable[[str], str],
    otherwise: Callable[[bytes, str, int], Outcome],
) -> Callable[[Block], list[Deliverable]]:
    """Make a function from a block to the outcomes of its lines.

    The repeated parts are given as JSON: `source`, `time` of a timestamp (None if it is invalid), `visitor` of a client
    and an agent, which may be empty. `scrub` replaces personal data in paths and referrers, `scrub_query` in queries.
    Hits on the path `pixel` are not plain. `otherwise` makes the outcomes of lines that are not plain, from the line,
    its place and its number.
    """
    plain = _line_writer(
        topic,
        source,
        times=Remembered(TEXTS, lambda stamp: _time(time, stamp)),
        visitors=Remembered(VISITORS, lambda who: _visitor(visitor, *who)),
        requests=Remembered(TEXTS, lambda request: _request(pixel, scrub, scrub_query, request)),
        answers=Remembered(TEXTS, _answer),
        referrers=Remembered(TEXTS, lambda referrer: _referrer(scrub, referrer)),
    )

    def write(block: Block) -> list[Deliverable]:
        outcomes: list[Deliverable] = []
        fingerprint, offset, number, lines = block.fingerprint, block.offset, block.number, block.lines
        for raw, line in zip(lines, _readable(block.text, lines), strict=True):
            encoded = plain(line, fingerprint, offset, crc32(raw))
            outcomes.append(encoded or otherwise(raw, f"{fingerprint}-{offset}", number))
            offset += len(raw) + 1
            number += 1
        return outcomes

    return write


def _line_writer(
    topic: str,
    source: str,
    *,
    times: "Remembered[str, str | None]",
    visitors: "Remembered[tuple[str, str], VisitorJson | None]",
    requests: "Remembered[str, str | None]",
    answers: "Remembered[str, str | None]",
    referrers: "Remembered[str, str | None]",
) -> Callable[[str, str, int, int], Encoded | None]:
    """Make a function from a line, its file's fingerprint, offset and checksum to an event; None if it is not plain."""

    def plain(line: str, fingerprint: str, offset: int, checksum: int) -> Encoded | None:
        parts = line.split('"')
        if len(parts) == 7:
            head, request, answer, referrer, between, agent, rest = parts
            if between != " " or rest.strip(" "):
                return None
        elif len(parts) == 9:  # nginx's `main`, without proxies
            head, request, answer, referrer, between, agent, beside, forwarded, rest = parts
            if between != " " or beside != " " or forwarded != "-" or rest.strip(" "):
                return None
        elif len(parts) == 3:
            head, request, answer = parts
            answer, referrer, agent = answer.rstrip(" ") + " ", "", ""
        else:
            return None
        who, _, stamp = head.partition(" - [")
        if (
            (asked := requests[request]) is None
            or (moment := times[stamp]) is None
            or (visit := visitors[who, agent]) is None
            or (answered := answers[answer]) is None
            or (came := referrers[referrer]) is None
        ):
            return None
        key, known, how = visit
        value = (  # in the order of the contract
            f'{{"event_id":"{fingerprint}-{offset}-{checksum:08x}","event_time":{moment},"source":{source},{known},'
            f"{asked}{answered}{came}{how}}}"
        )
        return Encoded(topic, key, value.encode("ascii"))

    return plain


class Remembered(dict[_K, _V]):
    """The results of `find`, cached for up to `most` keys; a full cache is cleared.

    For texts, it takes half the time of `lru_cache`, which costs a call and keeps an order.
    """

    def __init__(self, most: int, find: Callable[[_K], _V]) -> None:
        super().__init__()
        self._most = most
        self._find = find

    def __missing__(self, key: _K) -> _V:
        if len(self) >= self._most:
            self.clear()
        found = self[key] = self._find(key)
        return found


# Each gives the JSON of a part of a line, or None if it is not plain.


def _time(time: Callable[[str], str | None], stamp: str) -> str | None:
    return time(stamp[:-2]) if stamp.endswith("] ") else None


def _visitor(visitor: Callable[[str, str], VisitorJson], who: str, agent: str) -> VisitorJson | None:
    first, _, identity = who.partition(" ")
    client = client_of(first) if identity == "-" else None
    if client is None or len(client) > MAX_ID_LENGTH:
        return None
    return visitor(client, agent)


def _request(pixel: str, scrub: Callable[[str], str], scrub_query: Callable[[str], str], request: str) -> str | None:
    found = _REQUEST.fullmatch(request)
    if found is None:
        return None
    method, target, protocol = found.groups()
    path, mark, query = target.partition("?")
    if not path or (query and path == pixel):
        return None
    asked = f',"query":"{scrub_query(query)}"' if mark else ""
    return f'"method":"{method}","path":"{scrub(path)}"{asked},"protocol":"{protocol}"'


def _answer(answer: str) -> str | None:
    found = _ANSWER.fullmatch(answer)
    if found is None:
        return None
    status, size = found.groups()
    return f',"status":{status}' + ("" if size == "-" else f',"bytes":{size}')


def _referrer(scrub: Callable[[str], str], referrer: str) -> str | None:
    return f',"referrer":"{scrub(referrer)}"' if referrer and referrer != "-" else ""


def _readable(text: bytes, lines: list[bytes]) -> list[str]:
    """The lines of `text`, without white space at their ends; those that cannot be plain are empty."""
    if text.translate(None, _PLAIN) or max(map(len, lines)) > LONGEST:
        stripped = (line.rstrip(b" \t\r") for line in lines)
        text = b"\n".join(b"" if line.translate(None, _PLAIN) or len(line) > LONGEST else line for line in stripped)
    return text.decode("ascii").split("\n")
