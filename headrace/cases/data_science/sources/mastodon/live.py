"""The mastodon source: time lines as event streams (SSE), and after a reconnect what was missed, by REST.

Position: the highest id of a post, and what was read lately. Posts of other instances arrive late, so that the catch-up
begins some time before that id.
"""

import time
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, ClassVar

import httpx
import msgspec

from headrace.cases.data_science.sources.mastodon.messages import TOPIC, Reader, read_messages
from headrace.cases.data_science.topics.social_media import SocialPost
from headrace.contracts import clock
from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.settings import Settings
from headrace.streaming.sources.files import LineSplitter, numbered_lines
from headrace.streaming.sources.live.http import body, client, opened
from headrace.streaming.sources.live.sessions import Recent, again_and_again
from headrace.streaming.sources.live.source import Batch
from headrace.streaming.sources.outcomes import Accepted, Outcome
from headrace.streaming.sources.pseudonyms import Pseudonymize, load_key, pseudonymizer

OVERLAP_MS = 60_000
REMEMBERED = 2_000
PAGE_POSTS = 40
SILENT_SECONDS = 45.0
"""Three times the pause between two of the server's own signs of life."""
_MS_SHIFT = 16
"""An id has the milliseconds since 1970 above its lowest 16 bits."""


class Timeline:
    """One time line of one instance: `public`, `public:local` or a hashtag."""

    name: ClassVar[str] = "mastodon"
    topics: ClassVar[tuple[str, ...]] = (TOPIC,)

    def __init__(self, url: str, timeline: str, pseudonymize: Pseudonymize, token: str | None = None) -> None:
        self._url = url.rstrip("/")
        self._timeline = timeline
        self._reader = Reader(pseudonymize)
        self._token = token
        self._last_id: int | None = None
        self._recent = Recent(REMEMBERED)
        self._caught_up = 0

    @property
    def stream(self) -> str:
        return f"{httpx.URL(self._url).host}/{self._timeline}"

    def read(self, position: Any) -> Iterator[Batch]:
        stored = position or {}
        self._last_id = stored.get("last_id")
        self._recent = Recent(REMEMBERED, stored.get("recent", ()))
        return again_and_again(self.name, self._session)

    def _session(self) -> Iterator[Batch]:
        with client(f"headrace/{version('headrace')}", read_seconds=SILENT_SECONDS, token=self._token) as session:
            path, parameters = self._streaming()
            # The stream is opened first, so that nothing is posted between the catch-up and it.
            with opened(session, self._url + path, "text/event-stream", parameters, {}) as response:
                yield from self._catch_up(session)
                for message in read_messages(numbered_lines(self._pieces(response))):
                    yield self._batch([self._reader.message(message)])

    def _pieces(self, response: httpx.Response) -> Iterator[Any]:
        """Lines as they come. The end of the stream is an error: a message that it cuts is not a message."""
        splitter, heard = LineSplitter(), time.monotonic()
        for chunk in response.iter_bytes():
            if b"\n" in chunk:
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENT_SECONDS:
                raise Transient("The stream drips.")
            yield from splitter.feed(chunk)
        raise Transient("The server ended the stream.")

    def _catch_up(self, session: httpx.Client) -> Iterator[Batch]:
        if self._last_id is None:
            return
        after = max(0, self._last_id - (OVERLAP_MS << _MS_SHIFT))
        path, parameters = self._rest()
        while True:
            asked = {**parameters, "min_id": str(after), "limit": str(PAGE_POSTS)}
            with opened(session, self._url + path, "application/json", asked, {}) as response:
                page = _statuses(body(response))
            outcomes: list[Outcome] = []
            # A page has the newest post first.
            for raw in reversed(page):
                self._caught_up += 1
                outcomes.append(self._reader.status(bytes(raw), self._caught_up))
            newest = max((number for raw in page if (number := _id_of(bytes(raw))) is not None), default=after)
            if outcomes:
                yield self._batch(outcomes)
            if newest <= after:
                return
            after = newest

    def _batch(self, outcomes: list[Outcome]) -> Batch:
        for outcome in outcomes:
            if isinstance(outcome, Accepted) and isinstance(outcome.event, SocialPost) and not outcome.event.deleted:
                self._see(outcome.event.post_id)
        once = [self._recent.once(outcome) for outcome in outcomes]
        return Batch(once, {"last_id": self._last_id, "recent": self._recent.keys()})

    def _see(self, post_id: str) -> None:
        """An id from the future would hide all that comes before it."""
        if post_id.isdecimal():
            tomorrow_ms = int((clock.seconds() + 86_400) * 1_000)
            if (number := int(post_id)) >> _MS_SHIFT <= tomorrow_ms:
                self._last_id = max(self._last_id or 0, number)

    def _streaming(self) -> tuple[str, dict[str, str]]:
        if self._timeline.startswith("#"):
            return "/api/v1/streaming/hashtag", {"tag": self._timeline[1:]}
        return f"/api/v1/streaming/{self._timeline.replace(':', '/')}", {}

    def _rest(self) -> tuple[str, dict[str, str]]:
        if self._timeline.startswith("#"):
            return f"/api/v1/timelines/tag/{self._timeline[1:]}", {}
        return "/api/v1/timelines/public", {"local": "true"} if self._timeline == "public:local" else {}


class _Id(msgspec.Struct):
    id: str


def _id_of(raw: bytes) -> int | None:
    try:
        found = msgspec.json.decode(raw, type=_Id).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return int(found) if found.isdecimal() else None


def _statuses(answer: bytes) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(answer, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Transient("A page of the time line is not a JSON list.") from None


def check(settings: Settings) -> None:
    """Check the settings.

    Raises:
        Terminal: no instance, an unknown time line, or a token file that cannot be read.
    """
    if not settings.mastodon_url:
        raise Terminal("No Mastodon instance is named.", remedy="Set HEADRACE_MASTODON_URL to its address.")
    for name in settings.mastodon_timelines:
        if name not in ("public", "public:local") and not (name.startswith("#") and name[1:].isidentifier()):
            raise Terminal(
                f"There is no time line {name}.", remedy="Name `public`, `public:local`, or hashtags such as `#rain`."
            )
    _token(settings)


def open_sources(settings: Settings) -> list[Timeline]:
    """The time lines that the settings name. Raises the errors of `check`."""
    check(settings)
    pseudonymize = pseudonymizer(load_key(settings))
    token = _token(settings)
    return [Timeline(settings.mastodon_url, name, pseudonymize, token) for name in settings.mastodon_timelines]


def _token(settings: Settings) -> str | None:
    path = settings.mastodon_token_file
    try:
        return path.read_text("utf-8").strip() if path else None
    except OSError as error:
        raise Terminal(
            f"The token file {path} cannot be read: {error.strerror}.", remedy="Correct HEADRACE_MASTODON_TOKEN_FILE."
        ) from error
