"""Reads a range of a partition once, for code that does not follow a topic."""

import time
from collections.abc import Iterator

from confluent_kafka import Message, TopicPartition

from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.careful.reader import UNREADABLE, CarefulReader, Stretch
from headrace.streaming.runtime.careful.stalls import STALL_SECONDS

READ_RECORDS = 1_000
STALLED_SECONDS = 60.0


def committed_records(settings: Settings, topic: str, partition: int, end: int, start: int = 0) -> Iterator[Message]:
    """The committed records with `start <= offset < end`, except those in batches that no client can read.

    Waits for transactions that are open before `end`.

    Raises:
        Transient: the broker sent nothing for a minute.
    """
    return _records(settings, topic, partition, end, start, "read_committed")


def written_records(settings: Settings, topic: str, partition: int, end: int, start: int = 0) -> Iterator[Message]:
    """All records with `start <= offset < end`, including those of open and aborted transactions.

    Raises:
        Transient: the broker sent nothing for a minute.
    """
    return _records(settings, topic, partition, end, start, "read_uncommitted")


def _records(settings: Settings, topic: str, partition: int, end: int, start: int, isolation: str) -> Iterator[Message]:
    consumer = clients.one_off_consumer(
        settings, f"{settings.database}-reading", **{"auto.offset.reset": "earliest", "isolation.level": isolation}
    )
    consumer.assign([TopicPartition(topic, partition, start)])
    reached, stood = start, time.monotonic()
    stalled_at = stood + STALL_SECONDS
    try:
        while reached < end:
            before, unreadable = reached, False
            for message in clients.queued(consumer, READ_RECORDS, 0.2):
                error = message.error()
                if error is not None and error.code() in UNREADABLE:
                    unreadable = True
                    break
                reached = max(reached, message.offset() or 0)
                if error is None:
                    if reached < end:
                        yield message
                    reached += 1
                elif error.code() != clients.END_OF_PARTITION and not error.retriable():
                    raise Transient(f"{topic} cannot be read: {error.str()}.")
            if unreadable or (reached == before and time.monotonic() > stalled_at):
                # The client does not get past this batch, so it is read carefully or set apart.
                stretch = _read_carefully(settings, topic, partition, reached)
                stalled_at = time.monotonic() + STALL_SECONDS
                if stretch is not None:
                    yield from (each for each in stretch.messages if (each.offset() or 0) < end)
                    reached = stretch.next
                    consumer.seek(TopicPartition(topic, partition, reached))
            if reached > before:
                stood = time.monotonic()
                stalled_at = stood + STALL_SECONDS
            elif time.monotonic() > stood + STALLED_SECONDS:
                raise Transient(f"{topic}-{partition} was not read to its end: no records arrived for a minute.")
    finally:
        consumer.close()


def _read_carefully(settings: Settings, topic: str, partition: int, start: int) -> Stretch | None:
    with CarefulReader(settings) as reader:
        return reader.next_batch(topic, partition, start)
