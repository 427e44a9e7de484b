"""The plain lines of a log, straight to the JSON of their events, without an object in between.

Nearly all lines need nothing that `LineParser.line` does beyond that: no character to escape or to decode, no user, no
pixel hit, nothing personal in the request. What is written here is, byte for byte, what that would write; anything else
is left to it. What repeats is asked for once and kept as JSON: times, targets, referrers, what a visitor's
lines have in common.

One pattern over a whole block took more CPU time, and so did columns (polars).
"""

import re
from collections.abc import Callable
from functools import lru_cache
from zlib import crc32

from streaming.sources.files import Block
from streaming.sources.outcomes import Deliverable, Encoded, Outcome

LONGEST = 2_048
"""Bytes of a plain line: longer ones are rare, and what is remembered of them would be large."""

VISITORS, TEXTS = 100_000, 10_000
"""So many visitors, and of each other part that repeats so many texts, are remembered."""

VisitorJson = tuple[bytes, str, str]
"""Key, the fields from `visitor_id` to `client`, and those from `user_agent` to the end."""

_PLAIN = bytes(code for code in range(0x20, 0x7F) if code != ord("\\")) + b"\n"
"""Printable ASCII that JSON does not escape; a quotation mark is where a field of the line ends."""
_METHOD, _PROTOCOL = re.compile("[A-Z][A-Z_-]{0,31}"), re.compile(r"HTTP/[0-9](?:\.[0-9])?")
_ANSWER = re.compile(" ([1-9][0-9]{2}) (0|[1-9][0-9]{0,17}|-) ")


def block_writer(
    topic: str,
    source: str,
    *,
    time: Callable[[str], str | None],
    visitor: Callable[[str, str], VisitorJson],
    pixel: str,
    may_be_personal: Callable[[str], bool],
    otherwise: Callable[[bytes, str, int], Outcome],
) -> Callable[[Block], list[Deliverable]]:
    """A function from a block to the outcomes of its lines.

    Named are the parts that repeat, as JSON: `source`, `time` of a stamp (None for one that is none), `visitor` of a
    client and an agent, which may be empty. Not plain are the hits on the path `pixel`, and the lines whose target or
    referrer `may_be_personal`; for them `otherwise` is asked, with the line, its place and its number.
    """
    plain = _line_writer(
        topic,
        source,
        time_of=_times(time),
        visitor_of=_visitors(visitor),
        target_of=_targets(pixel, may_be_personal),
        referrer_of=_referrers(may_be_personal),
    )

    def write(block: Block) -> list[Deliverable]:
        outcomes: list[Deliverable] = []
        fingerprint, offset, number = block.fingerprint, block.offset, block.number
        for raw, line in zip(block.lines, _readable(block.lines), strict=True):
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
    time_of: Callable[[str], str | None],
    visitor_of: Callable[[str, str], VisitorJson | None],
    target_of: Callable[[str], str | None],
    referrer_of: Callable[[str], str | None],
) -> Callable[[str, str, int, int], Encoded | None]:
    """A function from a line, its file's fingerprint, its offset and checksum to its event; None if it is not plain."""

    def plain(line: str, fingerprint: str, offset: int, checksum: int) -> Encoded | None:
        parts = line.split('"')
        if len(parts) == 7:
            head, request, answer, referrer, between, agent, rest = parts
            if between != " " or rest.strip(" "):
                return None
        elif len(parts) == 3:
            head, request, answer = parts
            answer, referrer, agent = answer.rstrip(" ") + " ", "", ""
        else:
            return None
        who, _, stamp = head.partition(" - [")
        asked = request.split(" ")
        if len(asked) != 3:
            return None
        method, target, protocol = asked
        if (
            (moment := time_of(stamp)) is None
            or (visit := visitor_of(who, agent)) is None
            or (aimed := target_of(target)) is None
            or (answered := _answer_of(answer)) is None
            or (came := referrer_of(referrer)) is None
            or not _is_request(method, protocol)
        ):
            return None
        key, known, how = visit
        value = (  # in the order of the contract
            f'{{"event_id":"{fingerprint}-{offset}-{checksum:08x}","event_time":{moment},"source":{source},{known},'
            f'"method":"{method}",{aimed},"protocol":"{protocol}"{answered}{came}{how}}}'
        )
        return Encoded(topic, key, value.encode("ascii"))

    return plain


# What repeats from line to line is looked at once. Each gives the JSON of a part of a line, or None if it is not plain.


def _times(time: Callable[[str], str | None]) -> Callable[[str], str | None]:
    return lru_cache(maxsize=TEXTS)(lambda stamp: time(stamp[:-2]) if stamp.endswith("] ") else None)


def _visitors(visitor: Callable[[str, str], VisitorJson]) -> Callable[[str, str], VisitorJson | None]:
    @lru_cache(maxsize=VISITORS)
    def visitor_of(who: str, agent: str) -> VisitorJson | None:
        client, _, identity = who.partition(" ")
        return visitor(client, agent) if client and identity and " " not in identity else None

    return visitor_of


def _targets(pixel: str, may_be_personal: Callable[[str], bool]) -> Callable[[str], str | None]:
    @lru_cache(maxsize=TEXTS)
    def target_of(target: str) -> str | None:
        path, mark, query = target.partition("?")
        if not path or (query and path == pixel) or may_be_personal(target):
            return None
        return f'"path":"{path}"' + (f',"query":"{query}"' if mark else "")

    return target_of


def _referrers(may_be_personal: Callable[[str], bool]) -> Callable[[str], str | None]:
    @lru_cache(maxsize=TEXTS)
    def referrer_of(referrer: str) -> str | None:
        if may_be_personal(referrer):
            return None
        return f',"referrer":"{referrer}"' if referrer and referrer != "-" else ""

    return referrer_of


@lru_cache(maxsize=TEXTS)
def _answer_of(answer: str) -> str | None:
    found = _ANSWER.fullmatch(answer)
    if found is None:
        return None
    status, size = found.groups()
    return f',"status":{status}' + ("" if size == "-" else f',"bytes":{size}')


@lru_cache(maxsize=TEXTS)
def _is_request(method: str, protocol: str) -> bool:
    return _METHOD.fullmatch(method) is not None and _PROTOCOL.fullmatch(protocol) is not None


def _readable(lines: list[bytes]) -> list[str]:
    """The lines as text, without white space at their ends; those that cannot be plain are empty."""
    joined = b"\n".join(lines)
    if joined.translate(None, _PLAIN) or max(map(len, lines)) > LONGEST:
        stripped = (line.rstrip(b" \t\r") for line in lines)
        joined = b"\n".join(b"" if line.translate(None, _PLAIN) or len(line) > LONGEST else line for line in stripped)
    return joined.decode("ascii").split("\n")
