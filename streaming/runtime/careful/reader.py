"""The careful reader: returns committed records of a partition as messages, and sets apart what cannot be read.

It limits decompression and accepts any record content, but runs Python code for each field. So it is only used for what
librdkafka cannot read, or must not read because it does not bound memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple

from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, KafkaError, Message

from headrace.contracts.settings import Settings
from headrace.streaming.runtime.careful import batches
from headrace.streaming.runtime.careful.batches import Batch, Damaged, RawRecord

FETCH_BYTES = 1 << 20
ONE_BATCH = 1

UNREADABLE = frozenset(
    {
        KafkaError._BAD_COMPRESSION,  # noqa: SLF001  librdkafka's own codes
        KafkaError._BAD_MSG,  # noqa: SLF001
        KafkaError._UNDERFLOW,  # noqa: SLF001
        KafkaError._NOT_IMPLEMENTED,  # noqa: SLF001  an unknown codec
        KafkaError._CRIT_SYS_RESOURCE,  # noqa: SLF001  not enough memory to decompress it
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_MSG_SIZE,
    }
)
"""Consumer errors caused by a batch. The consumer would retry the same batch forever."""


@dataclass(frozen=True)
class Unreadable:
    """Offsets `first` to `next - 1` of a partition, to be set apart. `content` is the batch as stored, `records` and
    `leader_epoch` are from its header."""

    topic: str
    partition: int
    first: int
    next: int
    records: int
    reason: str
    content: bytes
    leader_epoch: int | None = None


class Stretch(NamedTuple):
    """The next batch of a partition: its committed records, or why it is unreadable. Reading resumes at `next`."""

    next: int
    stored_bytes: int
    messages: list[Message]
    unreadable: Unreadable | None


class CarefulReader:
    """Reads partitions batch by batch. A context manager, since it keeps a connection."""

    def __init__(self, settings: Settings, *, check_crc: bool = False, limit: int = batches.MAX_INFLATED_BYTES) -> None:
        """`check_crc`: as Java's consumers do, unlike librdkafka. `limit`: largest decompressed size of a batch."""
        # Imported lazily, since rarely needed: kafka-python takes a second and 20 MB.
        from headrace.streaming.runtime.careful.broker import RawBroker

        self._broker = RawBroker(settings)
        self._check_crc = check_crc
        self._limit = limit

    def __enter__(self) -> "CarefulReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._broker.__exit__(kind, error, trace)

    def read(self, topic: str, partition: int, start: int, *, max_bytes: int = FETCH_BYTES) -> Iterator[Stretch]:
        """Committed batches from `start` to the current end.

        Raises:
            Transient: the broker did not answer.
        """
        while True:
            piece = self._broker.fetch(topic, partition, start, max_bytes)
            aborted = sorted(piece.aborted, key=lambda each: each[1])
            open_aborted: set[int] = set()
            before = start
            for batch in _split(piece.data, start):
                if batch.next <= start:
                    continue
                while aborted and aborted[0][1] < batch.next:
                    open_aborted.add(aborted.pop(0)[0])
                if batch.is_control:
                    open_aborted.discard(batch.producer_id)
                    yield Stretch(batch.next, len(batch.content), [], None)
                elif batch.is_transactional and batch.producer_id in open_aborted:
                    yield Stretch(batch.next, len(batch.content), [], None)
                else:
                    yield self._stretch(topic, partition, start, batch)
                start = batch.next
            if start == before:
                return

    def next_batch(self, topic: str, partition: int, start: int) -> Stretch | None:
        """The batch that contains `start` or follows it; None if nothing is committed there yet.

        Raises:
            Transient: the broker did not answer.
        """
        return next(self.read(topic, partition, start, max_bytes=ONE_BATCH), None)

    def _stretch(self, topic: str, partition: int, start: int, batch: Batch) -> Stretch:
        size = len(batch.content)
        try:
            if self._check_crc:
                batches.check_crc(batch)
            found = batches.records(batch, self._limit)
        except Damaged as damage:
            return Stretch(batch.next, size, [], _unreadable(topic, partition, start, batch, str(damage)))
        messages = [_message(topic, partition, batch, record) for record in found if record.offset >= start]
        return Stretch(batch.next, size, messages, None)


def _split(data: bytes, start: int) -> Iterator[Batch]:
    """Like `batches.split`; data that is not a batch counts as an unreadable batch of one offset."""
    at = start
    try:
        for batch in batches.split(data):
            yield batch
            at = max(at, batch.next)
    except Damaged:
        yield Batch(at, at + 1, 1, 0, 0, 0, 0, -1, b"")


def _unreadable(topic: str, partition: int, start: int, batch: Batch, reason: str) -> Unreadable:
    first = max(batch.first, start)
    records = min(max(batch.count, 1), batch.next - first)  # a header may have any value
    epoch = batch.leader_epoch if batch.content else None
    return Unreadable(topic, partition, first, batch.next, records, reason, batch.content, epoch)


def _message(topic: str, partition: int, batch: Batch, record: RawRecord) -> Message:
    kind = TIMESTAMP_LOG_APPEND_TIME if batch.has_broker_time else TIMESTAMP_CREATE_TIME
    return Message(
        topic=topic,
        partition=partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        headers=[(header_name(name), value) for name, value in record.headers] or None,
        timestamp=(kind, record.timestamp),
        leader_epoch=batch.leader_epoch,
    )


def header_name(name: bytes) -> str:
    r"""The name of a header as text: invalid UTF-8 bytes are written as `\xff`."""
    return name.decode(errors="backslashreplace")
