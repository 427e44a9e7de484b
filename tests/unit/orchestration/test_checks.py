"""How reconciliation shows in Dagster: lost or repeated is an error, behind is a warning."""

from dataclasses import replace

import dagster as dg

from headrace.operations.reconciliation.compare import PartitionResult, Reconciliation
from headrace.orchestration.defs.checks.warehouse import verification

WHOLE = PartitionResult(
    topic="orders",
    partition=0,
    log_start=0,
    position=10,
    held=10,
    landed=10,
    registered=10,
    quarantined=1,
    lost=0,
    duplicated=0,
    unknown=0,
    pending=0,
    unregistered=0,
    expired=0,
    skipped=0,
    set_apart=0,
    chain_breaks=0,
    damaged_files=0,
    stopped_reason=None,
)


def _verified(**changes: object) -> dg.AssetCheckResult:
    return verification("orders", Reconciliation([WHOLE, replace(WHOLE, partition=1, **changes)]))  # pyright: ignore[reportArgumentType]


def test_a_balanced_reconciliation_passes() -> None:
    result = _verified()
    assert result.passed
    assert result.metadata["held"] == dg.MetadataValue.int(20)


def test_records_in_transit_are_a_warning() -> None:
    result = _verified(pending=2, unregistered=3)
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert result.description == "5 records are in transit."


def test_what_is_lost_or_repeated_or_stopped_is_an_error_that_says_so() -> None:
    result = _verified(lost=1, duplicated=2, stopped_reason="the topic was recreated")
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert result.description == "1 lost; 2 duplicated; partition 1: the topic was recreated"
