"""Reads processors' ledgers from outside, and checks whether processors have caught up with their inputs."""

import time
from collections.abc import Iterable

from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from headrace.contracts.errors import Transient
from headrace.contracts.reconciliation import ProcessorAccount
from headrace.contracts.settings import Settings
from headrace.contracts.topic import TopicAndPartition
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.careful.reader import UNREADABLE
from headrace.streaming.runtime.careful.stalls import STALL_SECONDS
from headrace.streaming.runtime.processing import ledger
from headrace.streaming.runtime.processing.changelog import changelog_topic
from headrace.streaming.runtime.processing.ledger import Ledger
from headrace.streaming.runtime.processing.processor import Processor
from headrace.streaming.runtime.processing.store import LEDGER_KEY
from headrace.streaming.runtime.reading import committed_records
from headrace.streaming.runtime.topics import offset_bounds, partition_counts, topic_ids

POLL_SECONDS = 0.3
READ_RECORDS = 10_000
READ_SECONDS = 60.0


def read_ledgers(settings: Settings, processor: Processor) -> dict[TopicAndPartition, Ledger]:
    """The committed ledger of each input partition. Partitions that were never processed are left out.

    Raises:
        Transient: a changelog could not be read to its end.
    """
    changelogs = {topic: changelog_topic(processor.name, topic).name for topic in processor.inputs}
    counts = partition_counts(clients.admin(settings), changelogs.values())
    return {
        (topic, partition): last
        for topic, changelog in changelogs.items()
        if changelog in counts
        for partition, last in _last_ledgers(settings, changelog, counts[changelog]).items()
    }


def begun_ledgers(settings: Settings, processor: Processor) -> dict[TopicAndPartition, Ledger]:
    """The ledger of each input partition that has a changelog, including partitions without processed records.

    Raises:
        Transient: the broker did not answer, or a changelog could not be read to its end.
    """
    admin = clients.admin(settings)
    changelogs = {topic: changelog_topic(processor.name, topic).name for topic in processor.inputs}
    present = topic_ids(admin, changelogs.values())
    begun = [topic for topic, changelog in changelogs.items() if changelog in present]
    ids, counts = topic_ids(admin, begun), partition_counts(admin, begun)
    keys = [(topic, number) for topic in ids for number in range(counts[topic])]
    unread = {key: Ledger(ids[key[0]], low, low) for key, (low, _) in offset_bounds(admin, keys).items()}
    return unread | read_ledgers(settings, processor)


def processor_accounts(settings: Settings, processors: Iterable[Processor]) -> list[ProcessorAccount]:
    """The ledgers as accounts for reconciliation. A processor that never ran has none."""
    return [
        ProcessorAccount(
            processor=processor.name,
            topic=topic,
            topic_id=book.topic_id,
            partition=partition,
            first=book.first,
            next=book.next,
            inputs=book.inputs,
            used=book.used,
            outputs=book.outputs,
            drops=book.drops,
            dead_letters=book.dead_letters,
            notes=book.notes,
        )
        for processor in processors
        for (topic, partition), book in sorted(begun_ledgers(settings, processor).items())
    ]


def wait_until_processed(settings: Settings, processor: Processor, *, timeout: float) -> bool:
    """Wait until a processor has processed all current inputs; returns False after `timeout` seconds."""
    admin, deadline = clients.admin(settings), time.monotonic() + timeout
    counts = partition_counts(admin, processor.inputs)
    keys = [(topic, number) for topic, count in counts.items() for number in range(count)]
    bounds = offset_bounds(admin, keys)
    while not _are_past(settings, read_ledgers(settings, processor), bounds):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _are_past(
    settings: Settings, books: dict[TopicAndPartition, Ledger], bounds: dict[TopicAndPartition, tuple[int, int]]
) -> bool:
    behind = {key: (books[key].next if key in books else low, end) for key, (low, end) in bounds.items()}
    behind = {key: (position, end) for key, (position, end) in behind.items() if position < end}
    # The rest before an end may be transaction markers, which positions never pass: check whether records remain.
    return all(_nothing_to_read(settings, key, position, end) for key, (position, end) in behind.items())


def _nothing_to_read(settings: Settings, key: TopicAndPartition, position: int, end: int) -> bool:
    consumer = clients.one_off_consumer(settings, "headrace-look")
    consumer.assign([TopicPartition(*key, position)])
    try:
        message = consumer.poll(STALL_SECONDS)
        if message is not None:
            error = message.error()
            if error is None:
                return False
            if error.code() not in UNREADABLE:
                return (message.offset() or 0) >= end
    finally:
        consumer.close()
    return not any(True for _ in committed_records(settings, *key, end, position))


def _last_ledgers(settings: Settings, changelog: str, partitions: int) -> dict[int, Ledger]:
    consumer = clients.one_off_consumer(settings, "headrace-look")
    consumer.assign([TopicPartition(changelog, number, OFFSET_BEGINNING) for number in range(partitions)])
    found: dict[int, Ledger] = {}
    ended: set[int] = set()
    deadline = time.monotonic() + READ_SECONDS
    try:
        while len(ended) < partitions:
            for message in clients.queued(consumer, READ_RECORDS, 0.2):
                number, value = message.partition() or 0, message.value()
                if message.error() is not None:
                    ended.add(number)
                elif message.key() == LEDGER_KEY and value is not None:
                    found[number] = ledger.decode(value)
            if time.monotonic() > deadline:
                raise Transient(f"The changelog {changelog} was not read to its end in {READ_SECONDS:.0f} s.")
    finally:
        consumer.close()
    return found
