"""Headers of consumed messages, also those whose names are no UTF-8.

confluent_kafka makes text of a header's name and fails on other bytes, with a list that may not be touched. So headers
are asked for once a message, and those that failed are read by the careful reader.
"""

from collections.abc import Iterable
from typing import Any

from confluent_kafka import Message

from contracts.errors import Transient
from contracts.settings import Settings
from streaming.runtime.careful.reader import CarefulReader

Headers = list[tuple[str, bytes | None]]

UNREAD: Headers = [("headrace.unread_headers", None)]
"""Stands for headers that could not be read again either."""


def headers_of(messages: Iterable[Message]) -> tuple[list[Any], list[int]]:
    """The headers of each message, and the places of those that cannot be read, for which they are None."""
    rows: list[Any] = []
    odd: list[int] = []
    asked = map(Message.headers, messages)
    while True:
        try:
            rows.extend(asked)  # what came before an exception stays
        except (SystemError, UnicodeDecodeError):
            odd.append(len(rows))
            rows.append(None)
        else:
            return rows, odd


class OddHeaders:
    """Reads headers again that librdkafka's client cannot. Remembers one batch: those beside it are asked for next."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._batch: tuple[str, int, int, int] = ("", -1, 0, 0)
        self._found: dict[int, Headers] = {}

    def of(self, topic: str, partition: int, offset: int) -> Headers | None:
        """The headers of one record; their names' odd bytes are written as `\\xff`.

        Raises:
            Transient: the broker did not answer.
        """
        known, number, first, following = self._batch
        if (topic, partition) != (known, number) or not first <= offset < following:
            with CarefulReader(self._settings) as reader:
                stretch = reader.next_batch(topic, partition, offset)
            if stretch is None:
                raise Transient(f"{topic}-{partition} has no record at {offset} now.")
            self._batch = (topic, partition, offset, stretch.next)
            self._found = {int(each.offset() or 0): each.headers() or [] for each in stretch.messages}  # pyright: ignore[reportAttributeAccessIssue]
        return self._found.get(offset, UNREAD) or None
