"""The state of a partition that an instance owns, and its updates by records read and batches processed."""

from dataclasses import dataclass, field

from confluent_kafka import Message

from headrace.streaming.runtime import logs, metrics
from headrace.streaming.runtime.careful.reader import Stretch
from headrace.streaming.runtime.lookup import record_print
from headrace.streaming.runtime.processing.batch import PartitionResult
from headrace.streaming.runtime.processing.ledger import Ledger
from headrace.streaming.runtime.processing.store import Store


@dataclass
class PartitionState:
    """A partition that this instance owns: store, ledger, records gathered for the next batch, the offset after them,
    the last committed ledger, and the leader epoch for which it is valid (None if the broker sends none)."""

    store: Store
    ledger: Ledger
    position: int
    committed: Ledger
    epoch: int | None = None
    gathered: list[Message] = field(default_factory=list[Message])


def take_stretch(processor: str, state: PartitionState, stretch: Stretch) -> None:
    """Add the result of careful reading: records, or a range that cannot be read."""
    state.gathered += stretch.messages
    state.position = stretch.next
    if (bad := stretch.unreadable) is not None:
        metrics.SET_APART.labels(processor, bad.topic).inc()
        place = {"topic": bad.topic, "partition": bad.partition, "first": bad.first, "next": bad.next}
        logs.logger(part=processor).error(
            "passed over: cannot be read", **place, records=bad.records, reason=bad.reason
        )


def ledger_after(book: Ledger, result: PartitionResult, last: Message) -> Ledger:
    """The ledger after a batch, whose last input is `last`."""
    return book.after(
        result.next_offset,
        inputs=result.inputs,
        used=result.used,
        outputs=len(result.outputs),
        drops=result.drops,
        dead_letters=result.dead_letters,
        notes=result.notes,
        leader_epoch=last.leader_epoch(),
        last_record=record_print(last),
    )
