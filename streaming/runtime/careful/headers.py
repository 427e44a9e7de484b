"""Headers of consumed messages, including those whose names are not UTF-8.

confluent_kafka decodes header names and fails on invalid bytes. It leaves a list in the message that crashes the
process if it is used, so it is replaced at once. The careful reader reads such headers.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, cast

from confluent_kafka import Message

from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.streaming.runtime.careful.reader import CarefulReader, Stretch

Headers = list[tuple[str, bytes | None]]

KEPT_SECONDS = 60.0
"""How long a connection is kept: records with invalid headers come in bursts, and brokers close idle connections."""

UNREAD: Headers = [("headrace.unread_headers", None)]
"""Placeholder for headers that the careful reader could not read either."""


def headers_of(messages: Sequence[Message]) -> tuple[list[Any], list[int]]:
    """The headers of each message (None if they cannot be read), and the indices of those that cannot be read.

    A message may be asked again.
    """
    rows: list[Any] = []
    asked = map(Message.headers, messages)
    while True:
        try:
            rows.extend(asked)  # results before an exception are kept
        except (SystemError, UnicodeDecodeError):
            messages[len(rows)].set_headers(cast("Any", UNREAD))
            rows.append(UNREAD)
        else:
            break
    odd = [place for place, row in enumerate(rows) if row is UNREAD] if any(rows) else []
    for place in odd:
        rows[place] = None
    return rows, odd


def record_headers(message: Message) -> Headers | None:
    """The headers of one message; None if it has none, or they cannot be read."""
    ((found,), _) = headers_of([message])
    return found


class OddHeaders:
    """Reads headers that librdkafka's client cannot read. Caches one batch, since its other records usually follow.

    Keeps its connection open: connecting for each record takes so long that a consumer would leave its group.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._reader: CarefulReader | None = None
        self._used_at = 0.0
        self._batch: tuple[str, int, int, int] = ("", -1, 0, 0)
        self._found: dict[int, Headers] = {}

    def of(self, topic: str, partition: int, offset: int) -> Headers | None:
        """The headers of one record; invalid bytes in names are written as `\\xff`.

        Raises:
            Transient: the broker did not answer.
        """
        known, number, first, following = self._batch
        if (topic, partition) != (known, number) or not first <= offset < following:
            stretch = self._next_batch(topic, partition, offset)
            if stretch is None:
                raise Transient(f"{topic}-{partition} has no record at {offset} now.")
            self._batch = (topic, partition, offset, stretch.next)
            self._found = {int(each.offset() or 0): each.headers() or [] for each in stretch.messages}  # pyright: ignore[reportAttributeAccessIssue]
        return self._found.get(offset, UNREAD) or None

    def of_all(self, messages: Sequence[Message]) -> list[Headers | None] | None:
        """The headers of each message; None if no message has any.

        Raises:
            Transient: the broker did not answer.
        """
        rows, odd = headers_of(messages)
        for place in odd:
            message = messages[place]
            rows[place] = self.of(str(message.topic()), message.partition() or 0, message.offset() or 0)
        return rows if any(rows) else None

    def _next_batch(self, topic: str, partition: int, offset: int) -> Stretch | None:
        if self._clock() - self._used_at > KEPT_SECONDS:
            self._disconnect()
        was_kept = self._reader is not None
        try:
            self._reader = self._reader or CarefulReader(self._settings)
            found = self._reader.next_batch(topic, partition, offset)
        except Transient:
            self._disconnect()
            if not was_kept:
                raise
            return self._next_batch(topic, partition, offset)  # the broker may have restarted
        self._used_at = self._clock()
        return found

    def _disconnect(self) -> None:
        if self._reader is not None:
            self._reader.__exit__(None, None, None)
            self._reader = None
