"""Where a processor resumes in an input partition, and the errors if it cannot.

The ledger in the state is authoritative. The topic's id, its retained offsets and the group's offsets are checked
against it, so that lost state and expired unread records are always reported.
"""

from collections.abc import Iterable, Mapping
from math import lcm
from typing import NamedTuple
from uuid import UUID

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.topic import TopicAndPartition
from headrace.contracts.topics import TOPICS
from headrace.streaming.runtime import logs
from headrace.streaming.runtime.processing import changelog, ledger
from headrace.streaming.runtime.processing.ledger import Ledger
from headrace.streaming.runtime.processing.processor import Processor
from headrace.streaming.runtime.processing.store import LEDGER_KEY, Store
from headrace.streaming.runtime.topics import offset_bounds, partition_counts, topic_ids
from headrace.streaming.runtime.transactions import CALL_SECONDS

ADDED_LATER = "partition added later"
"""Ledger note for partitions beyond those in the contract: keys moved to them, but their state did not."""


class Topics:
    """A processor's inputs and changelogs in Kafka: their ids and the inputs' partition counts."""

    def __init__(self, admin: AdminClient, processor: Processor) -> None:
        self.ids: dict[str, UUID] = {}
        self.changelogs: dict[str, UUID] = {}
        self._admin = admin
        self._processor = processor
        self._partitions: dict[str, int] = {}
        self._log = logs.logger(part=processor.name)

    def prepare(self) -> None:
        """Create missing changelogs, and look up all ids and counts.

        Raises:
            Transient: the broker does not answer.
            Terminal: an input topic does not exist.
        """
        self.changelogs = changelog.create(self._admin, self._processor.name, self._processor.inputs)
        self.ids = topic_ids(self._admin, self._processor.inputs)
        if missing := set(self._processor.inputs) - set(self.ids):
            raise Terminal(f"There is no topic {', '.join(sorted(missing))}.", remedy="`headrace up` creates it.")
        self._count_partitions()

    def require_inputs(self) -> None:
        """Check that the inputs are still the same topics.

        Raises:
            Transient: the broker does not answer.
            Terminal: one was deleted or recreated.
        """
        if topic_ids(self._admin, self._processor.inputs) != self.ids:
            raise reset_needed(
                self._processor, f"An input topic of {self._processor.name} was deleted or created again."
            )

    def extend(self) -> None:
        """Add partitions to the changelogs for those added to the inputs.

        Raises:
            Transient: the broker does not answer.
            Terminal: an input or a changelog was recreated.
        """
        self.require_inputs()
        self.require_changelogs()
        changelog.create(self._admin, self._processor.name, self._processor.inputs)
        self._count_partitions()

    def _count_partitions(self) -> None:
        self._partitions = partition_counts(self._admin, self._processor.inputs)
        for topic, now in self._partitions.items():
            declared = TOPICS[topic].partitions
            if now > declared:
                self._log.warning(
                    "input has more partitions than declared",
                    topic=topic,
                    partitions=now,
                    declared=declared,
                    moved_keys_pct=round(100 * moved_share(declared, now), 1),
                    meaning="Keys that moved start without their state, which stays in the former partition.",
                )

    def are_known(self, keys: Iterable[TopicAndPartition]) -> bool:
        """Whether all of these partitions were included in the last count."""
        return all(partition < self._partitions.get(topic, 0) for topic, partition in keys)

    def require_changelogs(self) -> None:
        """Raise `Terminal` if a changelog was deleted or recreated since `prepare`."""
        names = {topic: changelog.changelog_topic(self._processor.name, topic).name for topic in self.changelogs}
        present = topic_ids(self._admin, names.values())
        for topic, name in names.items():
            if present.get(name) != self.changelogs[topic]:
                raise reset_needed(self._processor, f"The changelog {name} was deleted or created again.")

    def ledgers(self, consumer: Consumer, stores: Mapping[TopicAndPartition, Store]) -> dict[TopicAndPartition, Ledger]:
        """The ledger that each partition resumes from; `consumer` is a member of the processor's group.

        Raises:
            Transient: the broker does not answer.
            Terminal: a partition cannot be resumed, with the reason.
        """
        raw = {key: store.get(LEDGER_KEY) for key, store in stores.items()}
        bounds = offset_bounds(self._admin, stores)
        if missing := sorted(stores.keys() - bounds.keys()):
            raise reset_needed(
                self._processor, f"The partition {missing[0][0]}-{missing[0][1]} does not exist any more."
            )
        unknown = [TopicPartition(*key) for key, book in raw.items() if book is None]
        try:
            offsets = consumer.committed(unknown, CALL_SECONDS) if unknown else []
        except KafkaException as error:
            raise Transient(f"Kafka did not return the group's offsets: {error.args[0].str()}.") from error
        committed = {(each.topic, each.partition): each.offset for each in offsets if each.offset >= 0}
        return {
            key: ledger_of(self._processor, key, book, Found(self.ids[key[0]], bounds[key][0], committed.get(key)))
            for key, book in raw.items()
        }


class Found(NamedTuple):
    """A partition in Kafka: its topic's id, the first retained offset, and the group's offset, if any."""

    topic_id: UUID
    low: int
    committed: int | None


def ledger_of(processor: Processor, key: TopicAndPartition, raw: bytes | None, found: Found) -> Ledger:
    """The ledger to resume from: that of the state (`raw`), or a new one if the partition was never processed.

    Raises:
        Terminal: the processor cannot resume, with the reason.
    """
    topic, partition = key
    if raw is None:
        if found.committed is not None:
            lost = changelog.changelog_topic(processor.name, topic).name
            raise reset_needed(
                processor,
                f"{processor.name} had processed {topic}-{partition} to offset {found.committed}, and its changelog"
                f" {lost} holds no state of that: it was deleted or emptied.",
            )
        notes = {ADDED_LATER: 1} if partition >= TOPICS[topic].partitions else {}
        return Ledger(found.topic_id, found.low, found.low, notes=notes, state_version=processor.state_version)
    book = ledger.decode(raw)
    if book.topic_id != found.topic_id:
        raise reset_needed(processor, f"The state of {processor.name} is of an earlier topic {topic}.")
    if book.state_version != processor.state_version:
        raise reset_needed(processor, f"The state of {processor.name} is of another version, which it would misread.")
    if book.next < found.low:
        raise expired(processor, key, book.next, found.low)
    return book


def expired(processor: Processor, key: TopicAndPartition, position: int, low: int) -> Terminal:
    """The error for a position whose records are no longer retained."""
    topic, partition = key
    return reset_needed(
        processor,
        f"Offsets {position} to {low - 1} of {topic}-{partition} expired before {processor.name} had read them:"
        " it was down, or behind, for longer than the topic retains its records.",
    )


def reset_needed(processor: Processor, message: str) -> Terminal:
    """An error that requires a reset of the processor."""
    return Terminal(message, remedy=f"Reset it with `headrace processor reset {processor.name}`.")


def moved_share(before: int, now: int) -> float:
    """The fraction of keys whose partition changes when the count changes from `before` to `now`."""
    whole = lcm(before, now)
    return sum(each % before != each % now for each in range(whole)) / whole
