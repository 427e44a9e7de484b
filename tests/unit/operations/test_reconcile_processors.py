"""A processor's ledger compared with its input topic."""

from uuid import UUID, uuid4

import numpy as np
import pytest

from headrace.contracts.reconciliation import PartitionAccount, ProcessorAccount
from headrace.operations.reconciliation.compare import reconcile

TOPIC_ID = uuid4()


def topic(held: list[int], log_start: int = 0) -> PartitionAccount:
    return PartitionAccount(
        topic="web_logs",
        topic_id=TOPIC_ID,
        partition=0,
        compacted=False,
        log_start=log_start,
        scanned_to=100,
        held=np.array(held, np.int64),
        start=log_start,
        position=log_start,
    )


def account(first: int, end: int, inputs: int, used: int, *, topic_id: UUID = TOPIC_ID) -> ProcessorAccount:
    rest = {"bot": inputs - 1 - used} if inputs - 1 > used else {}
    return ProcessorAccount(
        "p", "web_logs", topic_id, 0, first, end, inputs, used, used, rest, {"malformed JSON": 1}, {}
    )


@pytest.mark.parametrize(
    ("held", "inputs", "missed"),
    [([0, 1, 2, 3, 7], 4, 0), ([0, 1, 2, 3, 4], 4, 1), ([0, 1, 2], 4, -1)],
    ids=["all", "one was passed over", "one was never there"],
)
def test_what_the_topic_holds_in_the_range_read_is_what_was_read(held: list[int], inputs: int, missed: int) -> None:
    (result,) = reconcile([topic(held)], [], [account(0, 5, inputs, 2)]).processors
    assert (result.missed, result.sound) == (missed, missed == 0)


def test_every_input_is_accounted_for() -> None:
    (result,) = reconcile([topic([0, 1])], [], [account(0, 2, 2, 2)]).processors
    assert (result.unaccounted, result.sound) == (-1, False)


def test_a_range_that_is_no_longer_retained_is_no_fault_of_the_processor() -> None:
    for other in (topic([50], log_start=50), topic([])):
        (result,) = reconcile([other], [], [account(0, 60, 40, 2, topic_id=other.topic_id)]).processors
        if other.log_start:
            assert (result.missed, result.sound) == (None, True)
        else:
            assert (result.missed, result.sound) == (-40, False)


def test_what_a_processor_has_not_read_yet_is_pending_and_not_complete() -> None:
    behind = reconcile([topic([0, 1, 2, 3, 4])], [], [account(0, 3, 3, 1)])
    assert [each.pending for each in behind.processors] == [2]
    assert behind.sound
    assert not behind.complete


def test_a_held_back_partition_or_a_missing_file_is_not_complete() -> None:
    assert reconcile([], []).complete
    held = reconcile([], [], held_back=["orders-0: a transaction"])
    assert (held.sound, held.complete) == (True, False)
    missing = reconcile([], [], missing_files=["x.parquet (raw.orders, 3 rows)"])
    assert (missing.sound, missing.complete) == (False, False)
