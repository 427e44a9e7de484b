"""The plain lines of a log, straight to the JSON of their events, without an object in between.

Nearly all lines need nothing that `LineParser.line` does beyond that: no character to escape or to decode, no user, no
pixel hit, nothing personal in the request. What is written here is, byte for byte, what that would write; anything else
is left to it. What repeats is asked for once and kept as JSON: the times, and what a visitor's lines have in common.

Columns instead (polars) took more CPU time.
"""

import re
from collections.abc import Callable
from zlib import crc32

from streaming.sources.files import Block
from streaming.sources.outcomes import Deliverable, Encoded, Outcome

LONGEST = 16_384
"""Bytes of a line: what is made of it is far from the longest record."""

VisitorJson = tuple[bytes, str, str]
"""Key, the fields from `visitor_id` to `client`, and those from `user_agent` to the end."""

_TEXT = r"!#-\[\]-~"  # printable ASCII that JSON does not escape, but for the space
_LINES = re.compile(
    # One match a line, with empty groups where it is not plain. Possessive (`++`): nothing gives back what it took.
    rf"^(?:([{_TEXT}]++) [{_TEXT}]++ - \[([ !#-Z^-~]++)\] "
    rf'"([A-Z][A-Z_-]{{0,31}}) (([!#->@-\[\]-~]++)(\?[{_TEXT}]*+)? (HTTP/[0-9](?:\.[0-9])?)" '
    rf"([1-9][0-9]{{2}}) (0|[1-9][0-9]{{0,17}}|-)"
    rf'(?: "([ {_TEXT}]*+)" "([ {_TEXT}]*+)")?)[ \t\r]*+|.*)$',
    re.MULTILINE,
)


def block_writer(
    topic: str,
    source: str,
    *,
    time: Callable[[str], str | None],
    visitor: Callable[[str, str], VisitorJson],
    pixel: str,
    may_be_personal: Callable[[str], bool] | None,
    otherwise: Callable[[bytes, str, int], Outcome],
) -> Callable[[Block], list[Deliverable]]:
    """A function from a block to the outcomes of its lines.

    Named are the parts that repeat, as JSON: `source`, `time` of a stamp (None for one that is none), `visitor` of a
    client and an agent, which may be empty. Not plain are the hits on the path `pixel`, and the lines that
    `may_be_personal`; for them `otherwise` is asked, with the line, its place and its number.
    """

    def write(block: Block) -> list[Deliverable]:
        outcomes: list[Deliverable] = []
        fingerprint, offset, number = block.fingerprint, block.offset, block.number
        for raw, fields in zip(block.lines, _LINES.findall(_readable(block.lines)), strict=True):
            place = f"{fingerprint}-{offset}"
            client, stamp, method, request, path, query, protocol, status, size, referrer, agent = fields
            if (
                not client
                or (query and path == pixel)
                or (may_be_personal is not None and may_be_personal(request))
                or (moment := time(stamp)) is None
            ):
                outcomes.append(otherwise(raw, place, number))
            else:
                key, who, how = visitor(client, agent)
                asked = f'","query":"{query[1:]}' if query else ""
                length = "" if size == "-" else f',"bytes":{size}'
                came = f',"referrer":"{referrer}"' if referrer and referrer != "-" else ""
                value = (  # in the order of the contract
                    f'{{"event_id":"{place}-{crc32(raw):08x}","event_time":{moment},"source":{source},{who},'
                    f'"method":"{method}","path":"{path}{asked}","protocol":"{protocol}","status":{status}'
                    f"{length}{came}{how}}}"
                )
                outcomes.append(Encoded(topic, key, value.encode("ascii")))
            offset += len(raw) + 1
            number += 1
        return outcomes

    return write


def _readable(lines: list[bytes]) -> str:
    """The lines as one text; those that cannot be plain are empty in it."""
    joined = b"\n".join(lines)
    if not joined.isascii() or max(map(len, lines)) > LONGEST:
        joined = b"\n".join(line if line.isascii() and len(line) <= LONGEST else b"" for line in lines)
    return joined.decode("ascii")
