"""A partition's records of a batch: each one is accounted for, for any record and any behavior of the processor."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

import pytest

from headrace.cases.ecommerce.topics.orders import Order
from headrace.contracts import dead_letters
from headrace.contracts.decoding import encode
from headrace.contracts.errors import Transient
from headrace.contracts.topic import MAX_DEAD_LETTER_BYTES, MAX_RECORD_BYTES
from headrace.contracts.topics import TOPICS
from headrace.streaming.runtime.processing.batch import (
    Inputs,
    PartitionResult,
    Refused,
    letter_headers,
    letter_key,
    letter_value,
    process,
)
from headrace.streaming.runtime.processing.ledger import Ledger
from headrace.streaming.runtime.processing.processor import Output, Processor, Record, Result, State
from tests import versioned
from tests.corpus import CASES, valid_order
from tests.integration.samples import order
from tests.unit.processing.empty_store import EmptyStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)
REFUSED = [case for case in CASES if case.refused_as]


class Moody:
    """Does what each order's number asks for."""

    name: ClassVar[str] = "moody"
    inputs: ClassVar[tuple[str, ...]] = ("orders",)
    output: ClassVar[str] = "orders"
    state_version: ClassVar[int] = 1

    def process(self, topic: str, records: Sequence[Record], state: State, now: datetime) -> Result:
        result = Result(used=len(records))
        for record in records:
            event = record.event
            assert isinstance(event, Order)
            match event.order_id:
                case "raise":
                    raise RuntimeError("a secret of the record")
                case "model unavailable":
                    raise Transient("The registry does not answer.")
                case "large state":
                    state.put(b"k", b"x" * (MAX_RECORD_BYTES + 1))
                case "long key":
                    result.outputs.append(Output(b"k" * 20_000, event))
                case "reserved":
                    state.put(b"\0ledger", b"")
                case _:
                    state.put(b"last", event.order_id.encode())
                    result.outputs.append(Output(b"k", event))
        return result


def batch(*values: bytes | None, processor: Processor | None = None) -> PartitionResult:
    offsets = [3 * number + 7 for number in range(len(values))]  # markers and compaction leave holes
    inputs = Inputs(offsets, [b"k"] * len(values), list(values))
    return process(processor or Moody(), "orders", inputs, EmptyStore(), NOW)


def asked(what: str) -> bytes:
    return encode(order(what, ("A", 1, "1")))


def test_every_record_is_used_dropped_or_refused() -> None:
    values = [valid_order(1), None, *(case.value for case in REFUSED), valid_order(2)]
    result = batch(*values)
    assert (result.inputs, result.used, result.drops["tombstone"]) == (len(values), 2, 1)
    assert [each.category for each in result.refused] == [case.refused_as for case in REFUSED]
    assert [each.place for each in result.refused] == list(range(2, len(values) - 1))
    assert result.next_offset == 7 + 3 * (len(values) - 1) + 1
    assert len(result.outputs) == 2


@pytest.mark.parametrize(
    ("what", "category", "reason"),
    [
        ("raise", "processor error", "processor error: RuntimeError"),
        ("large state", "too long", f"output: longer than {MAX_RECORD_BYTES} bytes"),
        ("long key", "too long", "output: key longer than 16384 bytes"),
        ("reserved", "processor error", "processor error: AssertionError"),
    ],
)
def test_a_record_that_cannot_be_taken_is_refused_alone_and_in_its_place(what: str, category: str, reason: str) -> None:
    result = batch(valid_order(1), b"{", asked(what), valid_order(2), b"}")
    assert [each.place for each in result.refused] == [1, 2, 4]
    assert result.refused[1] == Refused(2, category, reason)
    assert (result.used, len(result.outputs), result.changes) == (2, 2, {b"last": b"2"})


def test_a_processor_that_cannot_work_now_refuses_nothing() -> None:
    with pytest.raises(Transient):
        batch(valid_order(1), asked("model unavailable"))
    with pytest.raises(Transient):
        batch(asked("raise"), asked("model unavailable"))


def test_a_dead_letter_carries_the_records_own_headers_and_why_it_was_refused() -> None:
    own = [
        ("traceparent", b"00-1"),
        (dead_letters.REASON, b"of long ago"),
        (dead_letters.REPLAYED_FROM, b"orders.dlq/0/3"),
    ]
    headers = dict(letter_headers("moody", "orders", 2, 17, Refused(0, "too long", "caf\ud800"), own))
    assert headers == {
        "traceparent": b"00-1",
        dead_letters.REPLAYED_FROM: b"orders.dlq/0/3",
        dead_letters.REASON: rb"caf\ud800",
        dead_letters.STAGE: b"processor:moody",
        dead_letters.TOPIC: b"orders",
        dead_letters.PARTITION: b"2",
        dead_letters.OFFSET: b"17",
    }


def test_a_key_that_is_too_long_is_left_out() -> None:
    assert [letter_key(key) for key in (None, b"k", b"k" * 20_000)] == [None, b"k", None]


def test_a_dead_letter_larger_than_its_topic_takes_is_cut_and_says_so() -> None:
    whole = b"v" * (MAX_DEAD_LETTER_BYTES + 1)
    assert [letter_value(value) for value in (None, b"v", whole[1:])] == [(None, []), (b"v", []), (whole[1:], [])]
    assert letter_value(whole) == (whole[1:], [("headrace.truncated_from_bytes", b"8000001")])


def test_a_ledger_adds_up_over_batches() -> None:
    result = batch(valid_order(1), b"{", None)
    book = Ledger(topic_id=UUID(int=1), first=7, next=7)
    for _ in range(2):
        book = book.after(
            result.next_offset,
            inputs=result.inputs,
            used=result.used,
            outputs=len(result.outputs),
            drops=result.drops,
            dead_letters=result.dead_letters,
            notes=result.notes,
        )
    assert (book.inputs, book.used, book.drops, book.dead_letters) == (6, 2, {"tombstone": 2}, {"malformed JSON": 2})
    assert book.balanced


class Listing:
    """Keeps what it gets."""

    name: ClassVar[str] = "listing"
    inputs: ClassVar[tuple[str, ...]] = ("orders",)
    output: ClassVar[str] = "customers"
    state_version: ClassVar[int] = 1

    def __init__(self) -> None:
        self.events: list[object] = []

    def process(self, topic: str, records: Sequence[Record], state: State, now: datetime) -> Result:
        self.events += [record.event for record in records]
        return Result(used=len(records))


def test_a_processor_gets_records_of_all_versions_in_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TOPICS, "orders", versioned.topic())
    values: list[bytes | None] = [versioned.FIRST, versioned.SECOND, versioned.THIRD, versioned.THIRD]
    headers: list[list[tuple[str, bytes | None]] | None] = [None, *([*versioned.headers(n)] for n in (2, 3, 4))]
    listing = Listing()
    inputs = Inputs([1, 2, 3, 4], [b"k"] * 4, values, None, headers)
    result = process(listing, "orders", inputs, EmptyStore(), NOW)
    levels = [(each.place, each.level, each.unit) for each in listing.events if isinstance(each, versioned.Reading)]
    assert levels == [("A", 8, "m"), ("A", 8, "ft"), ("A", 4, "ft")]
    assert [(each.place, each.category) for each in result.refused] == [(3, "newer version")]


def test_records_without_headers_are_of_the_first_version_to_a_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TOPICS, "orders", versioned.topic())
    listing = Listing()
    process(listing, "orders", Inputs([1], [b"k"], [versioned.FIRST]), EmptyStore(), NOW)
    assert [each.level for each in listing.events if isinstance(each, versioned.Reading)] == [8]
