"""One access-log line to one outcome. Pure: blocks of lines in, outcomes out, no file and no clock.

Repeated values (times, clients, agents) are cached, since this determines the throughput of the source. Plain lines are
never turned into objects; see `wire`.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache, partial
from zlib import crc32

from msgspec import structs

from headrace.cases.ecommerce.sources.access_log.agents import Device, classify
from headrace.cases.ecommerce.sources.access_log.fields import LineFields, match_general, match_plain
from headrace.cases.ecommerce.sources.access_log.formats import Match
from headrace.cases.ecommerce.sources.access_log.named import match_json
from headrace.cases.ecommerce.sources.access_log.pixel import PIXEL_PATH, InvalidHit, parse_hit
from headrace.cases.ecommerce.sources.access_log.prefixes import MOST as MOST_PREFIXES
from headrace.cases.ecommerce.sources.access_log.prefixes import without_prefix
from headrace.cases.ecommerce.sources.access_log.signature import is_signed
from headrace.cases.ecommerce.sources.access_log.wire import LONGEST, VisitorJson, block_writer
from headrace.cases.ecommerce.topics.web_logs import WebLog
from headrace.contracts.decoding import FIRST_YEAR, LAST_YEAR, encode
from headrace.contracts.types import MAX_ID_LENGTH
from headrace.streaming.sources.files import MAX_LINE_BYTES, Block, OversizedLine, Piece
from headrace.streaming.sources.outcomes import EMPTY_LINE, Accepted, Deliverable, Ignored, Outcome, Rejected
from headrace.streaming.sources.personal import query_scrubber, scrubber, unchanged
from headrace.streaming.sources.pseudonyms import Pseudonymize

TOPIC = "web_logs"
SOURCE = "access-log"
CACHED = 100_000
NO_FORMAT = "not in Common or Combined Log Format"

_TIME = re.compile(r"([0-9]{2})/([A-Z][a-z]{2})/([0-9]{4}):([0-9]{2}):([0-9]{2}):([0-9]{2}) ([+-])([0-9]{2})([0-9]{2})")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS = {name: number for number, name in enumerate(_MONTHS, 1)}


_Visitor = tuple[bytes, str, str, str | None, Device, bool]
"""Key, visitor id, client's pseudonym, agent, device, whether a bot: what all lines of a visit share."""


class InvalidLine(Exception):  # noqa: N818  a result for the line, not a failure
    """The line is not in a supported format; the message has the reason, without the line."""


@lru_cache(maxsize=CACHED)
def parse_time(stamp: str) -> datetime:
    """`17/May/2015:10:05:03 +0000` in UTC.

    Raises:
        InvalidLine: another format, or a time that does not exist.
    """
    match = _TIME.fullmatch(stamp)
    if match is None or match[2] not in _MONTH_NUMBERS:
        raise InvalidLine("time is not in the form of the Common Log Format")
    day, month, year, hour, minute, second, sign, offset_hours, offset_minutes = match.groups()
    try:
        offset = timedelta(hours=int(offset_hours), minutes=int(offset_minutes)) * (-1 if sign == "-" else 1)
        local = datetime(
            int(year), _MONTH_NUMBERS[month], int(day), int(hour), int(minute), int(second), tzinfo=timezone(offset)
        )
        moment = local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidLine("time does not exist") from None
    return _in_range(moment)


def _in_range(moment: datetime) -> datetime:
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise InvalidLine(f"time is not between the years {FIRST_YEAR} and {LAST_YEAR}")
    return moment


def _kept(find: Callable[[str], str]) -> Callable[[str], str]:
    """The same function with a cache for short texts; long ones would take memory without bound."""
    remembered = lru_cache(maxsize=CACHED)(find)
    return lambda text: remembered(text) if len(text) <= LONGEST else find(text)


def _json(value: object) -> str:
    return encode(value).decode()


def _time_json(stamp: str) -> str | None:
    try:
        return _json(parse_time(stamp))
    except InvalidLine:
        return None


class LineParser:
    """Parses lines, with the pseudonyms and the name of the source that go into each event."""

    def __init__(
        self,
        pseudonymize: Pseudonymize,
        source: str = SOURCE,
        *,
        match: Match | None = None,
        personal: bool = False,
        pixel_key: bytes | None = None,
    ) -> None:
        """`match` is the user's own format. With `personal`, only the visitor is pseudonymized.

        `pixel_key` is the key that the shop signs its purchases with.
        """
        self._pixel_key = pixel_key
        self._source = source
        self._match = match
        plain: Pseudonymize = (lambda _kind, value: value) if personal else pseudonymize
        self._user = _kept(partial(plain, "user"))
        self._scrub = unchanged if personal else _kept(scrubber(pseudonymize))
        self._scrub_query = unchanged if personal else _kept(query_scrubber(pseudonymize))

        def visitor(client: str, agent: str | None) -> _Visitor:
            known = None if agent == "-" or not agent else agent
            visitor_id = pseudonymize("visitor", f"{client}\0{known or ''}")
            shown = known if known is None else self._scrub(known)
            return visitor_id.encode(), visitor_id, plain("client", client), shown, *classify(known)

        self._any_visitor = visitor
        self._visitor = lru_cache(maxsize=CACHED)(visitor)

        def visitor_json(client: str, agent: str) -> VisitorJson:
            key, visitor_id, pseudonym, shown, device, is_bot = visitor(client, agent)
            agent_json = "" if shown is None else f',"user_agent":{_json(shown)}'
            return (
                key,
                f'"visitor_id":{_json(visitor_id)},"client_id":{_json(pseudonym)}',
                f'{agent_json},"device":{_json(device)},"is_bot":{_json(is_bot)}',
            )

        self._block = block_writer(
            TOPIC,
            _json(source),
            time=_time_json,
            visitor=visitor_json,
            pixel=PIXEL_PATH,
            scrub=self._scrub,
            scrub_query=self._scrub_query,
            otherwise=self.line,
        )
        if match is not None:
            self._block = self._by_line

    def outcomes(self, pieces: Iterable[Piece]) -> Iterator[Deliverable]:
        """One outcome per line."""
        for piece in pieces:
            if isinstance(piece, OversizedLine):
                yield oversized(piece)
            else:
                yield from self._block(piece)

    def _by_line(self, block: Block) -> list[Deliverable]:
        # A list: passing each through two generators took as long as parsing its time.
        offset, parse, fingerprint = block.offset, self.line, block.fingerprint
        found: list[Deliverable] = []
        for number, raw in enumerate(block.lines, block.number):
            found.append(parse(raw, f"{fingerprint}-{offset}", number))
            offset += len(raw) + 1
        return found

    def line(self, raw: bytes, place: str, number: int) -> Outcome:
        """The outcome of one line. `place`, the fingerprint of its file and its offset, goes into the event's id."""
        try:
            line = raw.decode()
        except UnicodeDecodeError:
            line = raw.decode("latin-1")
        fields = match_plain(line) if self._match is None else None
        if fields is None:
            if not line.strip():
                return Ignored(EMPTY_LINE)
            if "\0" in line:
                return Rejected(TOPIC, "binary: holds a NUL character", raw, number)
            fields = self._odd(line)
            if fields is None:
                return Rejected(TOPIC, "not in the format given" if self._match else NO_FORMAT, raw, number)
        try:
            key, event = self._event(raw, line, place, fields)
        except (InvalidLine, InvalidHit) as invalid:
            return Rejected(TOPIC, str(invalid), raw, number)
        return Accepted(TOPIC, key, event, raw, number, True)

    def _odd(self, line: str) -> LineFields | None:
        if self._match is not None:
            return self._match(line)
        for _ in range(MOST_PREFIXES + 1):
            fields = match_json(line) if line.startswith("{") else match_general(line)
            rest = without_prefix(line) if fields is None else None
            if rest is None:
                return fields
            line = rest
        return None

    def _event(self, raw: bytes, line: str, place: str, fields: LineFields) -> tuple[bytes, WebLog]:
        client, user, stamp, method, path, query, protocol, raw_request, status, size, referrer, agent = fields
        of_visitor = self._visitor if len(line) <= LONGEST else self._any_visitor
        key, visitor_id, client_pseudonym, known_agent, device, is_bot = of_visitor(client, agent)
        if len(client_pseudonym) > MAX_ID_LENGTH:
            raise InvalidLine(f"client of more than {MAX_ID_LENGTH} characters")
        path, referrer, raw_request = (text and self._scrub(text) for text in (path, referrer, raw_request))
        query = query and self._scrub_query(query)
        # 15 keywords at most: Python passes the 16th in a dict, which costs as much as all the others.
        event = WebLog(
            # The checksum distinguishes lines at the same place of two files that begin alike.
            event_id=f"{place}-{crc32(raw):08x}",
            event_time=parse_time(stamp) if isinstance(stamp, str) else _in_range(stamp),
            source=self._source,
            visitor_id=visitor_id,
            client_id=client_pseudonym,
            method=method,
            path=path,
            query=query,
            protocol=protocol,
            status=int(status),
            bytes=None if size == "-" else int(size),
            referrer=None if referrer == "-" or not referrer else referrer,
            user_agent=known_agent,
            device=device,
            is_bot=is_bot,
        )
        if user != "-" or raw_request is not None:
            event = structs.replace(event, user=None if user == "-" else self._user(user), raw_request=raw_request)
        if path == PIXEL_PATH and query:
            hit = parse_hit(query)
            visitor_id = hit.customer_id or hit.session_id or visitor_id
            event = structs.replace(event, visitor_id=visitor_id, **structs.asdict(hit))
            if self._pixel_key is not None and hit.pixel_event == "purchase":
                # The original address: signed values may have been pseudonymized since.
                event = structs.replace(event, verified=is_signed(self._pixel_key, fields[5] or ""))
            # By session if there is one: a visitor who logs in meanwhile stays in the partition that has the cart.
            key = (hit.session_id or visitor_id).encode()
        return key, event


def oversized(line: OversizedLine, topic: str = TOPIC) -> Rejected:
    """The outcome of a line that exceeds the record limit."""
    reason = f"line longer than {MAX_LINE_BYTES} bytes"
    return Rejected(topic, reason, line.head, line.number, size=line.size)
