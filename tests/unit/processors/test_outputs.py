"""The outputs of processors are valid by their contracts for any input that is valid by its contract."""

from datetime import UTC, datetime

import pytest

from headrace.contracts.decoding import InvalidRecord, decode, encode
from headrace.contracts.topics import TOPICS
from headrace.contracts.types import Event
from headrace.streaming.processors.registry import all_processors
from headrace.streaming.runtime.processing.processor import Record
from headrace.streaming.runtime.processing.store import View
from tests.hostile import inputs
from tests.hostile.chance import Chance
from tests.unit.processing.empty_store import EmptyStore

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
INPUTS, BATCHES = 2_000, 4


def decoded(chance: Chance, topic: str) -> Event | None:
    contract = TOPICS[topic].contract
    assert contract is not None
    try:
        return decode(contract, inputs.event(chance, topic))
    except InvalidRecord:
        return None


@pytest.mark.parametrize("name", all_processors())
def test_outputs_of_hostile_inputs_keep_to_their_contract(name: str) -> None:
    processor = all_processors()[name]()
    contract = TOPICS[processor.output].contract
    assert contract is not None
    for topic in processor.inputs:
        chance, state, written = Chance(f"{name}-{topic}"), View(EmptyStore()), 0
        for _ in range(BATCHES):
            events = [decoded(chance, topic) for _ in range(INPUTS // BATCHES)]
            records = [
                Record(event, None, offset, int(NOW.timestamp() * 1_000))
                for offset, event in enumerate(events)
                if event is not None
            ]
            result = processor.process(topic, records, state, NOW)
            assert result.used + result.drops.total() == len(records)
            for output in result.outputs:
                if output.value is not None:
                    decode(contract, encode(output.value))
                    written += 1
        assert written
