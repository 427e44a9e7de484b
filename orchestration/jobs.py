"""The jobs: a build of the whole warehouse, the verification, upkeep. Which builds are in hand is told here too."""

import dagster as dg

from orchestration.checks import audit_rows, verify_topics
from orchestration.processes import UNFINISHED
from orchestration.upkeep import clear_run_history, maintain_warehouse

BUILD_JOB = "build"
VERIFY_JOB = "verify"
AUDIT_JOB = "audit"
IN_HAND = [dg.DagsterRunStatus.QUEUED, *UNFINISHED]
# The sensor starts no second build for the same commits, so a run whose process died is tried again by the daemon. A
# failed step is not (`instance.py`): it tries transient errors again itself (`retrying.py`), and others stay.
RETRIES = {"dagster/max_retries": "2", "dagster/retry_strategy": "ALL_STEPS"}

# In one process: Dagster's multiprocess executor takes seconds to start each step, and builds take turns anyway.
BUILD = dg.define_asset_job(
    BUILD_JOB,
    selection=dg.AssetSelection.all() - dg.AssetSelection.checks(verify_topics, audit_rows),
    executor_def=dg.in_process_executor,
    run_tags=RETRIES,
    description="Registers what landed, builds core and marts from what changed, and publishes warehouse.duckdb.",
)
VERIFY = dg.define_asset_job(
    VERIFY_JOB,
    selection=dg.AssetSelection.checks(verify_topics),
    executor_def=dg.in_process_executor,
    description="Compares, by offsets, what the topics hold with what landed and what is registered.",
)
AUDIT = dg.define_asset_job(
    AUDIT_JOB,
    selection=dg.AssetSelection.checks(audit_rows),
    executor_def=dg.in_process_executor,
    description="Checks all rows, whatever changed: keys of whole tables, and events that were told in two ways.",
)


@dg.job(
    name="maintenance",
    executor_def=dg.in_process_executor,
    run_tags=RETRIES,
    description="Merges small files, expires snapshots, deletes what nobody needs.",
)
def MAINTENANCE() -> None:  # noqa: N802  a constant like the others
    maintain_warehouse()


@dg.job(
    name="retention",
    executor_def=dg.in_process_executor,
    description="Deletes the runs that finished longer ago than they are kept.",
)
def RETENTION() -> None:  # noqa: N802
    clear_run_history()


JOBS = (BUILD, VERIFY, AUDIT, MAINTENANCE, RETENTION)


def build_in_hand(instance: dg.DagsterInstance) -> bool:
    """Whether a build is queued or running, by whomever started."""
    return bool(instance.get_run_records(dg.RunsFilter(job_name=BUILD_JOB, statuses=IN_HAND), limit=1))
