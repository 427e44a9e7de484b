"""Where a processor resumes in a partition of its input, and what says why it cannot.

The ledger in the state decides. What stands beside it (the topic's id, what the topic retains, the group's offsets) is
held against it: a state that was lost, and records that expired unread, are never passed over.
"""

from collections.abc import Iterable, Mapping
from math import lcm
from typing import NamedTuple
from uuid import UUID

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from contracts.errors import Terminal, Transient
from contracts.topics import TOPICS, TopicAndPartition
from streaming.processors.processor import Processor
from streaming.runtime import logs
from streaming.runtime.processing import changelog, ledger
from streaming.runtime.processing.ledger import Ledger
from streaming.runtime.processing.store import LEDGER_KEY, Store
from streaming.runtime.topics import offset_bounds, partition_counts, topic_ids
from streaming.runtime.transactions import CALL_SECONDS

ADDED_LATER = "partition added later"
"""Note in the ledgers of partitions that the contract does not have: keys moved to them, their state did not."""


class Topics:
    """A processor's inputs and changelogs as Kafka has them: their ids, and how many partitions the inputs have."""

    def __init__(self, admin: AdminClient, processor: Processor) -> None:
        self.ids: dict[str, UUID] = {}
        self.changelogs: dict[str, UUID] = {}
        self._admin = admin
        self._processor = processor
        self._partitions: dict[str, int] = {}
        self._log = logs.logger(part=processor.name)

    def prepare(self) -> None:
        """Create what is missing of the changelogs, and look up everything.

        Raises:
            Transient: the broker does not answer.
            Terminal: an input topic does not exist.
        """
        self.changelogs = changelog.create(self._admin, self._processor.name, self._processor.inputs)
        self.ids = topic_ids(self._admin, self._processor.inputs)
        if missing := set(self._processor.inputs) - set(self.ids):
            raise Terminal(
                f"There is no topic {', '.join(sorted(missing))}.", remedy="Create it first: `headrace up` does."
            )
        self._count_partitions()

    def require_inputs(self) -> None:
        """Make sure that the inputs are the topics that they were.

        Raises:
            Transient: the broker does not answer.
            Terminal: one was deleted or created again.
        """
        if topic_ids(self._admin, self._processor.inputs) != self.ids:
            raise start_over(self._processor, f"An input topic of {self._processor.name} was deleted or created again.")

    def extend(self) -> None:
        """Give the changelogs the partitions that were added to the inputs.

        Raises:
            Transient: the broker does not answer.
            Terminal: an input or a changelog is not the one that it was.
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
                    meaning="Keys that moved begin without what the state of their former partition holds of them.",
                )

    def are_known(self, keys: Iterable[TopicAndPartition]) -> bool:
        """Whether none of these partitions was added since they were last counted."""
        return all(partition < self._partitions.get(topic, 0) for topic, partition in keys)

    def require_changelogs(self) -> None:
        """Raise `Terminal` where a changelog was deleted, or is another one, since `prepare`."""
        names = {topic: changelog.changelog_topic(self._processor.name, topic).name for topic in self.changelogs}
        present = topic_ids(self._admin, names.values())
        for topic, name in names.items():
            if present.get(name) != self.changelogs[topic]:
                raise start_over(self._processor, f"The changelog {name} was deleted or created again.")

    def ledgers(self, consumer: Consumer, stores: Mapping[TopicAndPartition, Store]) -> dict[TopicAndPartition, Ledger]:
        """The ledger that each partition resumes from; `consumer` is a member of the processor's group.

        Raises:
            Transient: the broker does not answer.
            Terminal: a partition cannot be resumed, and why.
        """
        raw = {key: store.get(LEDGER_KEY) for key, store in stores.items()}
        bounds = offset_bounds(self._admin, stores)
        if missing := sorted(stores.keys() - bounds.keys()):
            raise start_over(self._processor, f"The partition {missing[0][0]}-{missing[0][1]} does not exist any more.")
        unknown = [TopicPartition(*key) for key, book in raw.items() if book is None]
        try:
            offsets = consumer.committed(unknown, CALL_SECONDS) if unknown else []
        except KafkaException as error:
            raise Transient(f"Kafka did not tell the group's offsets: {error.args[0].str()}.") from error
        committed = {(each.topic, each.partition): each.offset for each in offsets if each.offset >= 0}
        return {
            key: ledger_of(self._processor, key, book, Found(self.ids[key[0]], bounds[key][0], committed.get(key)))
            for key, book in raw.items()
        }


class Found(NamedTuple):
    """What Kafka has of a partition: its topic's id, the first offset retained, and the group's offset, if any."""

    topic_id: UUID
    low: int
    committed: int | None


def ledger_of(processor: Processor, key: TopicAndPartition, raw: bytes | None, found: Found) -> Ledger:
    """The ledger to resume from: that of the state (`raw`), or where the partition was never processed a new one.

    Raises:
        Terminal: the processor cannot resume, and why.
    """
    topic, partition = key
    if raw is None:
        if found.committed is not None:
            lost = changelog.changelog_topic(processor.name, topic).name
            raise start_over(
                processor,
                f"{processor.name} had processed {topic}-{partition} to offset {found.committed}, and its changelog"
                f" {lost} holds no state of that: it was deleted or emptied.",
            )
        notes = {ADDED_LATER: 1} if partition >= TOPICS[topic].partitions else {}
        return Ledger(found.topic_id, found.low, found.low, notes=notes, state_version=processor.state_version)
    book = ledger.decode(raw)
    if book.topic_id != found.topic_id:
        raise start_over(processor, f"The state of {processor.name} is of an earlier topic {topic}.")
    if book.state_version != processor.state_version:
        raise start_over(processor, f"The state of {processor.name} is of another version, which it would misread.")
    if book.next < found.low:
        raise expired(processor, key, book.next, found.low)
    return book


def expired(processor: Processor, key: TopicAndPartition, position: int, low: int) -> Terminal:
    """The records at the position of a processor are not retained any more."""
    topic, partition = key
    return start_over(
        processor,
        f"Offsets {position} to {low - 1} of {topic}-{partition} expired before {processor.name} had read them:"
        " it was down, or behind, for longer than the topic retains its records.",
    )


def start_over(processor: Processor, message: str) -> Terminal:
    """An end that only beginning again from what the inputs retain can follow."""
    return Terminal(message, remedy=f"Reset it with `headrace processor reset {processor.name}`.")


def moved_share(before: int, now: int) -> float:
    """The share of all keys that have another partition among `now` than they had among `before`."""
    whole = lcm(before, now)
    return sum(each % before != each % now for each in range(whole)) / whole
