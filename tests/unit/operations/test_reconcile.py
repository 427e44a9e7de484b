"""What reconciliation finds: each way in which a partition can fail to add up, and what is no fault."""

from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest

from headrace.contracts.reconciliation import CommittedRange, PartitionAccount, RegisteredAccount
from headrace.operations.reconciliation.compare import PartitionResult, reconcile

TOPIC_ID = uuid4()
FAULTS = ("lost", "duplicated", "unknown", "chain_breaks", "damaged_files")


def offsets(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


WHOLE = PartitionAccount(
    topic="orders",
    topic_id=TOPIC_ID,
    partition=0,
    compacted=False,
    log_start=0,
    scanned_to=10,
    held=offsets(*range(10)),
    start=0,
    position=10,
    chain=(CommittedRange(0, 6, 5, 1), CommittedRange(6, 10, 4, 0)),
    unregistered=offsets(6, 7, 8, 9),
)
KNOWN = RegisteredAccount("orders", TOPIC_ID, 0, 6, offsets(*range(6)), 1)


def compared(known: RegisteredAccount | None = KNOWN, **changes: object) -> PartitionResult:
    topic = replace(WHOLE, **changes)  # pyright: ignore[reportArgumentType]
    (result,) = reconcile([topic], [known] if known else []).partitions
    return result


def faults(result: PartitionResult) -> dict[str, int]:
    assert result.sound == (not any(getattr(result, name) for name in FAULTS) and result.stopped_reason is None)
    return {name: getattr(result, name) for name in FAULTS if getattr(result, name)}


def test_what_landed_once_is_sound_and_complete_once_it_is_registered() -> None:
    behind = compared()
    assert (faults(behind), behind.complete, behind.unregistered, behind.quarantined) == ({}, False, 4, 1)
    built = compared(replace(KNOWN, offsets=offsets(*range(10)), position=10), unregistered=offsets())
    assert (faults(built), built.complete, built.landed, built.registered) == ({}, True, 10, 10)


def test_what_came_after_the_position_is_pending_and_no_fault() -> None:
    result = compared(held=offsets(*range(14)), scanned_to=14)
    assert (faults(result), result.pending, result.complete) == ({}, 4, False)


def test_a_record_below_the_position_that_did_not_land_is_lost() -> None:
    assert faults(compared(unregistered=offsets(6, 7, 9))) == {"lost": 1, "chain_breaks": 1}


def test_a_record_that_landed_twice_is_duplicated() -> None:
    assert faults(compared(unregistered=offsets(5, 6, 7, 8, 9))) == {"duplicated": 1, "chain_breaks": 1}


def test_a_record_that_was_never_committed_is_unknown_unless_compacted() -> None:
    holes = offsets(*range(4), *range(5, 10))
    assert faults(compared(held=holes)) == {"unknown": 1}
    assert faults(compared(held=holes, compacted=True)) == {}


def test_markers_take_offsets_and_are_no_records() -> None:
    chain = (CommittedRange(0, 6, 5, 1), CommittedRange(6, 10, 3, 0))
    result = compared(held=offsets(*range(8), 9), unregistered=offsets(6, 7, 9), chain=chain)
    assert faults(result) == {}


def test_records_below_the_start_of_the_log_are_checked_by_the_chain_alone() -> None:
    result = compared(log_start=4, held=offsets(*range(4, 10)))
    assert (faults(result), result.expired, result.held) == ({}, 4, 6)
    assert faults(
        compared(replace(KNOWN, offsets=offsets(0, 1, 3, 4, 5)), log_start=4, held=offsets(*range(4, 10)))
    ) == {"chain_breaks": 1}


def test_an_accepted_gap_is_skipped_and_an_unaccepted_one_is_not() -> None:
    chain = (CommittedRange(0, 6, 5, 1), CommittedRange(8, 10, 2, 0))
    result = compared(chain=chain, unregistered=offsets(8, 9), gaps=((6, 8),))
    assert (faults(result), result.skipped) == ({}, 2)
    assert faults(compared(chain=chain, unregistered=offsets(8, 9))) == {"lost": 2, "chain_breaks": 1}


@pytest.mark.parametrize(
    "chain",
    [
        (CommittedRange(0, 6, 5, 1),),
        (CommittedRange(0, 6, 5, 1), CommittedRange(7, 10, 3, 0)),
        (CommittedRange(0, 6, 5, 1), CommittedRange(6, 10, 3, 0)),
        (CommittedRange(0, 6, 5, 1), CommittedRange(0, 6, 5, 1), CommittedRange(6, 10, 4, 0)),
    ],
    ids=["ends before the position", "does not join", "counts other rows", "a link twice"],
)
def test_a_commit_chain_that_does_not_hold_is_a_fault(chain: tuple[CommittedRange, ...]) -> None:
    assert set(faults(compared(chain=chain))) == {"chain_breaks"}


def test_damaged_files_are_named_whichever_check_found_them() -> None:
    result = compared(replace(KNOWN, damaged=("b.parquet",)), damaged=("a.parquet",))
    assert faults(result) == {"damaged_files": 2}
    assert reconcile([replace(WHOLE, damaged=("a.parquet",))], [KNOWN]).damaged == ["a.parquet"]


def test_a_stopped_partition_is_not_sound() -> None:
    assert not compared(stopped_reason="the topic was recreated").sound


def test_rows_registered_of_the_topic_of_that_name_before_do_not_count() -> None:
    foreign = replace(KNOWN, topic_id=uuid4())
    assert faults(compared(foreign)) == {"lost": 6, "chain_breaks": 1}
