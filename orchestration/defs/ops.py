"""Maintenance ops: of the lake, by `headrace.warehouse.maintenance.maintain`, and of Dagster's own run history."""

from datetime import datetime, timedelta

import dagster as dg

from headrace.contracts import clock
from headrace.contracts.settings import Settings
from headrace.orchestration.defs.retries import retried
from headrace.orchestration.instance.config import WAREHOUSE_POOL
from headrace.warehouse.lake import Lake
from headrace.warehouse.maintenance.maintain import Storage, maintain

FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
RUNS_AT_A_TIME = 200


@dg.op(pool=WAREHOUSE_POOL)
def maintain_warehouse(context: dg.OpExecutionContext, lake: dg.ResourceParam[Lake]) -> None:
    """Run the lake's maintenance once."""
    with retried():
        done = maintain(lake)
    context.log.info(
        f"{done.merged_files} files merged, {done.expired_snapshots} snapshots expired, {done.deleted_files} files and"
        f" {done.deleted_landing_files} uncommitted ones deleted."
        f" Before: {_described(done.before)}; after: {_described(done.after)}"
    )
    if done.rebuilt:
        context.log.warning(f"These tables lag too far behind, so their next build is full: {', '.join(done.rebuilt)}.")


def _described(storage: Storage) -> str:
    return f"{storage.files} files, {storage.bytes / 1e6:.1f} MB, {storage.snapshots} snapshots"


@dg.op
def clear_run_history(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Delete the runs that are older than `run_history_days`."""
    before = clock.now() - timedelta(days=settings.run_history_days)
    context.log.info(f"{delete_runs(context.instance, before)} runs from before {before:%Y-%m-%d} deleted.")


def delete_runs(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete the finished runs that were created before that time; returns their number."""
    count = 0
    while records := instance.get_run_records(
        dg.RunsFilter(created_before=before, statuses=FINISHED), limit=RUNS_AT_A_TIME
    ):
        for record in records:
            instance.delete_run(record.dagster_run.run_id)
        count += len(records)
    return count
