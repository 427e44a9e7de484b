"""Compares what processors did while being killed with an undisturbed run over the same input.

The undisturbed run is the processor alone, in memory, over each partition of its input topics in one go. So the oracle
knows nothing of transactions, offsets, stores and rebalances.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from headrace.contracts.decoding import InvalidRecord, decode, encode
from headrace.contracts.settings import Settings
from headrace.contracts.topic import TopicAndPartition
from headrace.contracts.topics import TOPICS
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.dead_letters.letters import letter_of
from headrace.streaming.runtime.processing.batch import Inputs, PartitionResult, process
from headrace.streaming.runtime.processing.ledger import Ledger
from headrace.streaming.runtime.processing.processor import Processor
from tests.integration.instance_process import FIXED
from tests.integration.processor_instances import Row, ledgers, read_all, state, wait_for_settled


class NoStore:
    """An empty store."""

    def get(self, key: bytes) -> bytes | None:
        return None

    def entries(self, start: bytes, end: bytes) -> dict[bytes, bytes]:
        return {}


def undisturbed(settings: Settings, processor: Processor) -> dict[TopicAndPartition, PartitionResult]:
    """What the processor makes of each partition of its inputs as they are now."""
    inputs = {(topic, part): Inputs([], [], []) for topic in processor.inputs for part in range(_partitions(topic))}
    consumer = clients.consumer(settings, "test-reader", **{"enable.partition.eof": True})
    consumer.assign([TopicPartition(*key, OFFSET_BEGINNING) for key in inputs])
    ended = 0
    while ended < len(inputs):
        for message in consumer.consume(1_000, 1.0):
            if message.error() is not None:
                ended += 1
                continue
            into = inputs[message.topic() or "", message.partition() or 0]
            into.offsets.append(message.offset() or 0)
            into.keys.append(message.key())
            into.values.append(message.value())
    consumer.close()
    return {key: process(processor, key[0], each, NoStore(), FIXED) for key, each in inputs.items() if each.offsets}


def assert_as_undisturbed(
    settings: Settings, processor: Processor, seen: Sequence[Row]
) -> dict[TopicAndPartition, PartitionResult]:
    """Outputs, state, dead letters and ledgers are those of an undisturbed run, and so is what a reader has `seen`."""
    expected = undisturbed(settings, processor)
    assert expected
    _assert_ledgers(ledgers(settings, processor), expected)
    wait_for_settled(settings, processor.output)
    rows = read_all(settings, processor.output, _partitions(processor.output))
    _assert_outputs(processor, rows, expected)
    assert _by_partition(seen) == _by_partition(rows), "a reader alongside saw something else than a later one"
    for topic in processor.inputs:
        assert state(settings, processor.name, topic) == {
            (partition, key): value
            for (name, partition), result in expected.items()
            for key, value in result.changes.items()
            if name == topic and value is not None
        }
        _assert_dead_letters(settings, processor, topic, expected)
    return expected


def _assert_ledgers(books: dict[TopicAndPartition, Ledger], expected: dict[TopicAndPartition, PartitionResult]) -> None:
    actual = {
        key: (each.next, each.inputs, each.used, each.outputs, each.drops, each.dead_letters, each.notes)
        for key, each in books.items()
    }
    assert actual == {
        key: (result.next_offset, result.inputs, result.used, len(result.outputs), *_counts(result))
        for key, result in expected.items()
    }
    assert all(each.balanced for each in books.values())


def _counts(result: PartitionResult) -> tuple[dict[str, int], ...]:
    return dict(result.drops), dict(result.dead_letters), dict(result.notes)


def _assert_outputs(
    processor: Processor, rows: Sequence[Row], expected: dict[TopicAndPartition, PartitionResult]
) -> None:
    """The same outputs as a multiset; and of each key and input partition in the same order."""
    places: defaultdict[tuple[Any, ...], list[tuple[TopicAndPartition, int]]] = defaultdict(list)
    for source, result in expected.items():
        for number, (key, value) in enumerate(result.outputs):
            places[key, _output_of(processor, value)].append((source, number))
    found = [(key, output) for _, key, value in rows if (output := _output_of(processor, value)) is not None]
    assert Counter(found) == Counter({output: len(them) for output, them in places.items()})
    last: dict[tuple[bytes | None, TopicAndPartition], int] = {}
    for key, value in found:
        source, number = places[key, value].pop(0)
        assert number > last.get((key, source), -1), f"{key!r} out of order"
        last[key, source] = number


TOMBSTONE = b"tombstone"


def _output_of(processor: Processor, value: bytes | None) -> bytes | None:
    """An output's value, with the time of scoring made the same. None where another source wrote it to the topic."""
    contract = TOPICS[processor.output].contract
    assert contract is not None
    if value is None:
        return TOMBSTONE
    try:
        event = decode(contract, value)
    except InvalidRecord:
        return None
    if event.source != processor.name:
        return None
    return encode(msgspec.structs.replace(event, scored_at=FIXED) if hasattr(event, "scored_at") else event)


def _assert_dead_letters(
    settings: Settings, processor: Processor, topic: str, expected: dict[TopicAndPartition, PartitionResult]
) -> None:
    consumer = clients.consumer(settings, "test-reader", **{"enable.partition.eof": True})
    consumer.assign([TopicPartition(TOPICS[topic].dead_letter, 0, OFFSET_BEGINNING)])
    found: list[tuple[str, str]] = []
    while True:
        (message,) = consumer.consume(1, 10.0)
        if message.error() is not None:
            break
        letter = letter_of(topic, message)
        if letter.stage == f"processor:{processor.name}":
            found.append((letter.origin, letter.reason))
    consumer.close()
    assert len(found) == len(set(found))
    wanted = Counter(
        (f"{topic}/{partition}", each.reason)
        for (name, partition), result in expected.items()
        if name == topic
        for each in result.refused
    )
    assert Counter((origin.rpartition("/")[0], reason) for origin, reason in found) == wanted


def _by_partition(rows: Sequence[Row]) -> dict[int, list[tuple[bytes | None, bytes | None]]]:
    found: defaultdict[int, list[tuple[bytes | None, bytes | None]]] = defaultdict(list)
    for partition, key, value in rows:
        found[partition].append((key, value))
    return dict(found)


def _partitions(topic: str) -> int:
    return TOPICS[topic].partitions
