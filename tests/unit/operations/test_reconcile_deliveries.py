"""What Connect delivered, compared with the topic: every way in which a row and a record can differ."""

from uuid import UUID

from headrace.contracts.reconciliation import DeliveryAccount, Place, StagedAccount
from headrace.operations.reconciliation.compare import DeliveryResult, reconcile

TOPIC, FORMER = UUID(int=1), UUID(int=2)


def compared(
    live: dict[str, Place],
    rows: dict[str, tuple[UUID, Place]],
    gone: dict[str, Place] | None = None,
    vanished: int = 0,
) -> DeliveryResult:
    """One partition that retains offsets 10 to 99, of which those below 50 are delivered."""
    account = DeliveryAccount(
        topic="customer_behavior",
        table="serving.customer_behavior",
        topic_id=TOPIC,
        bounds={0: (10, 100)},
        committed={0: 50},
        live=live,
        gone=gone or {},
        rejected=0,
        rows=rows,
        vanished=vanished,
    )
    (result,) = reconcile([], [], deliveries=[account]).deliveries
    return result


def test_rows_that_are_the_live_keys_add_up() -> None:
    result = compared({"a": (0, 12), "b": (0, 49)}, {"a": (TOPIC, (0, 12)), "b": (TOPIC, (0, 49))})
    assert (result.live, result.rows, result.pending, result.sound) == (2, 2, 0, True)


def test_a_missing_row_is_lost_when_its_record_was_delivered_and_else_pending() -> None:
    result = compared({"a": (0, 49), "b": (0, 50)}, {})
    assert (result.lost, result.pending) == (1, 1)


def test_a_row_of_an_earlier_record_is_lost_or_pending_too() -> None:
    rows = {"a": (TOPIC, (0, 12)), "b": (TOPIC, (0, 12))}
    result = compared({"a": (0, 49), "b": (0, 50)}, rows)
    assert (result.lost, result.pending, result.unexpected) == (1, 1, 0)


def test_a_record_that_became_no_row_and_is_in_no_dead_letter_is_lost() -> None:
    result = compared({"a": (0, 12)}, {"a": (TOPIC, (0, 12))}, vanished=2)
    assert (result.lost, result.sound) == (2, False)


def test_a_row_ahead_of_the_scan_is_fine() -> None:
    assert compared({"a": (0, 12)}, {"a": (TOPIC, (0, 100)), "new": (TOPIC, (0, 101))}).sound


def test_a_row_whose_key_is_gone_is_unexpected_once_the_tombstone_was_delivered() -> None:
    result = compared({}, {"a": (TOPIC, (0, 12)), "b": (TOPIC, (0, 12))}, gone={"a": (0, 49), "b": (0, 50)})
    assert (result.unexpected, result.pending) == (1, 1)


def test_a_row_that_the_topic_does_not_know_is_unexpected_unless_it_is_older() -> None:
    rows = {"a": (TOPIC, (0, 12)), "expired": (TOPIC, (0, 9)), "of a former topic": (FORMER, (0, 60))}
    result = compared({}, rows)
    assert (result.unexpected, result.older, result.sound) == (1, 2, False)


def test_a_table_that_lacks_landed_rows_is_unsound_and_one_behind_is_incomplete() -> None:
    lacking, behind = (StagedAccount("core.sentiment", 1, missing, 0, 1) for missing in (1, 0))
    assert not reconcile([], [], staged=[lacking]).sound
    assert reconcile([], [], staged=[behind]).sound
    assert not reconcile([], [], staged=[behind]).complete
