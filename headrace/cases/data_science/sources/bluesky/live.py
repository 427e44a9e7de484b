"""The bluesky source: posts and deletes as Jetstream's websocket sends them.

Position: the cursor (`time_us` of the latest message) and what was read lately. After a reconnect the server is asked
for some seconds before the cursor, because messages are not quite in the order of their time.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, ClassVar
from urllib.parse import urlencode

import msgspec
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.sync.client import ClientConnection, connect
from websockets.uri import parse_uri

from headrace.cases.data_science.sources.bluesky.jetstream import POSTS, TOPIC, read_message
from headrace.cases.data_science.topics.social_media import SocialPost
from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.settings import Settings
from headrace.contracts.topic import MAX_RECORD_BYTES
from headrace.streaming.sources.live.sessions import Recent, again_and_again
from headrace.streaming.sources.live.source import Batch
from headrace.streaming.sources.outcomes import Accepted, Ignored, Outcome, Rejected
from headrace.streaming.sources.pseudonyms import Pseudonymize, load_key, pseudonymizer

OVERLAP_US = 5_000_000
BELIEVED_JUMP_US = 3_600_000_000
"""Maximum accepted jump of a message's time from the previous one; a larger jump needs confirmation by the next."""
REMEMBERED = 2_000
MAX_FRAME_BYTES = 16 << 20
BATCH_MESSAGES = 500
SILENT_SECONDS = 60.0
OPEN_SECONDS = 10.0


class Cursor:
    """The time to ask the server for after a reconnect; a clock that is off for one message does not move it."""

    def __init__(self, value: int | None, clock: Callable[[], float] = time.time) -> None:
        self.value = value
        self._clock = clock
        self._jump: int | None = None

    def see(self, time_us: int) -> None:
        """Take the time of a message into account."""
        if not 0 < time_us <= self._clock() * 1e6 + BELIEVED_JUMP_US:
            return
        if self.value is None or abs(time_us - self.value) <= BELIEVED_JUMP_US:
            self.value, self._jump = max(self.value or 0, time_us), None
        elif self._jump is not None and abs(time_us - self._jump) <= BELIEVED_JUMP_US:
            self.value, self._jump = time_us, None
        else:
            self._jump = time_us


class Bluesky:
    """One Jetstream server."""

    name: ClassVar[str] = "bluesky"
    topics: ClassVar[tuple[str, ...]] = (TOPIC,)

    def __init__(
        self, url: str, pseudonymize: Pseudonymize, *, keywords: tuple[str, ...] = (), languages: tuple[str, ...] = ()
    ) -> None:
        self._url = url
        self._pseudonymize = pseudonymize
        self._keywords = tuple(word.casefold() for word in keywords)
        self._languages = tuple(language.casefold() for language in languages)
        self._messages = 0
        self._cursor = Cursor(None)
        self._recent = Recent(REMEMBERED)

    @property
    def stream(self) -> str:
        return "jetstream"

    def read(self, position: Any) -> Iterator[Batch]:
        stored = position or {}
        self._cursor = Cursor(stored.get("cursor"))
        self._recent = Recent(REMEMBERED, stored.get("recent", ()))
        return again_and_again(self.name, self._session)

    def _session(self) -> Iterator[Batch]:
        try:
            connection = connect(
                self._address(), open_timeout=OPEN_SECONDS, close_timeout=1.0, max_size=MAX_FRAME_BYTES
            )
        except InvalidURI as error:
            raise _invalid_address() from error
        except (InvalidHandshake, OSError, EOFError) as error:
            raise Transient(f"Jetstream does not answer as it should: {type(error).__name__}.") from error
        with connection:
            while messages := self._gather(connection):
                outcomes = [self._outcome(raw) for raw in messages]
                yield Batch(outcomes, {"cursor": self._cursor.value, "recent": self._recent.keys()})
        raise Transient("Jetstream closed the connection.")

    def _address(self) -> str:
        parameters = {"wantedCollections": POSTS}
        if self._cursor.value is not None:
            parameters["cursor"] = str(self._cursor.value - OVERLAP_US)
        return f"{self._url}{'&' if '?' in self._url else '?'}{urlencode(parameters)}"

    def _gather(self, connection: ClientConnection) -> list[bytes]:
        """The messages that are there, at least one; none once the connection is closed."""
        messages: list[bytes] = []
        try:
            messages.append(connection.recv(SILENT_SECONDS, decode=False))
            with suppress(TimeoutError):
                while len(messages) < BATCH_MESSAGES:
                    messages.append(connection.recv(0, decode=False))
        except TimeoutError:
            raise Transient(f"Jetstream was silent for {SILENT_SECONDS:.0f} s.") from None
        except ConnectionClosed:
            return messages
        return messages

    def _outcome(self, raw: bytes) -> Outcome:
        self._messages += 1
        with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._cursor.see(_decode_time(raw).time_us)
        if len(raw) > MAX_RECORD_BYTES:
            return self._recent.once(
                Rejected(TOPIC, f"message longer than {MAX_RECORD_BYTES} bytes", raw, self._messages)
            )
        outcome = read_message(raw, self._messages, self._pseudonymize)
        return self._recent.once(self._wanted(outcome))

    def _wanted(self, outcome: Outcome) -> Outcome:
        """Deletes go through: whether the post was wanted is not known any more."""
        if not isinstance(outcome, Accepted) or not isinstance(post := outcome.event, SocialPost) or post.deleted:
            return outcome
        text, language = (post.text or "").casefold(), (post.language or "").casefold()
        if self._keywords and not any(word in text for word in self._keywords):
            return Ignored("without the keywords")
        if self._languages and language.partition("-")[0] not in self._languages and language not in self._languages:
            return Ignored("in another language")
        return outcome


class _Time(msgspec.Struct):
    time_us: int = 0


_decode_time = msgspec.json.Decoder(_Time).decode


def check(settings: Settings) -> None:
    """Check the settings.

    Raises:
        Terminal: the address is not that of a websocket.
    """
    try:
        parse_uri(settings.bluesky_url)
    except InvalidURI as error:
        raise _invalid_address() from error


def _invalid_address() -> Terminal:
    return Terminal(
        "The address of the Jetstream server is not that of a websocket (wss://…).",
        remedy="Correct HEADRACE_BLUESKY_URL.",
    )


def open_sources(settings: Settings) -> list[Bluesky]:
    """The source as the settings say."""
    return [
        Bluesky(
            settings.bluesky_url,
            pseudonymizer(load_key(settings)),
            keywords=settings.bluesky_keywords,
            languages=settings.bluesky_languages,
        )
    ]
