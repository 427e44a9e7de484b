"""The jobs: a build of the whole warehouse, the verification, upkeep. Which builds are in hand is told here too."""

import dagster as dg

from operations.training import SOURCES
from orchestration.defs.checks.models import MODEL_CHECKS
from orchestration.defs.checks.warehouse import audit_rows, verify_topics
from orchestration.defs.ops import clear_run_history, maintain_warehouse
from orchestration.instance.processes import UNFINISHED
from orchestration.keys import BUILD_JOB, MODELS, model_key

VERIFY_JOB = "verify"
AUDIT_JOB = "audit"
IN_HAND = [dg.DagsterRunStatus.QUEUED, *UNFINISHED]
# The sensor starts no second build for the same commits, so a run whose process died is tried again by the daemon. A
# failed step is not (`instance.py`): it tries transient errors again itself (`retrying.py`), and others stay.
RETRIES = {"dagster/max_retries": "2", "dagster/retry_strategy": "ALL_STEPS"}

CHECKS_OF_MODELS = dg.AssetSelection.checks(*MODEL_CHECKS)
ASSETS_OF_MODELS = dg.AssetSelection.key_prefixes(MODELS)

# In one process: Dagster's multiprocess executor takes seconds to start each step, and builds take turns anyway.
BUILD = dg.define_asset_job(
    BUILD_JOB,
    selection=dg.AssetSelection.all()
    - ASSETS_OF_MODELS
    - dg.AssetSelection.checks(verify_topics, audit_rows)
    - CHECKS_OF_MODELS,
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


CHECK_MODELS = dg.define_asset_job(
    "check_models",
    selection=CHECKS_OF_MODELS,
    executor_def=dg.in_process_executor,
    description="Looks for drift since the champions were judged, and for skew between training and serving.",
)


RESCORING = dg.AssetSelection.assets(model_key("behavior", "rescoring"))
RESCORE = dg.define_asset_job(
    "rescore_behavior",
    selection=RESCORING,
    executor_def=dg.in_process_executor,
    description="Scores the customers who went silent, so that they do not keep an old score.",
)
TRAIN = {
    model: dg.define_asset_job(
        f"train_{model}",
        selection=dg.AssetSelection.key_prefixes([MODELS, model]) - RESCORING - CHECKS_OF_MODELS,
        executor_def=dg.in_process_executor,
        description=f"Makes the frame of {model}, trains, judges, and promotes what is better.",
    )
    for model in SOURCES
}
TRAINING_JOBS = [*TRAIN.values()]


def build_in_hand(instance: dg.DagsterInstance) -> bool:
    """Whether a build is queued or running, by whomever started."""
    return in_hand(instance, BUILD_JOB)


def in_hand(instance: dg.DagsterInstance, job: str) -> bool:
    """Whether a run of a job is queued or running, by whomever started."""
    return bool(instance.get_run_records(dg.RunsFilter(job_name=job, statuses=IN_HAND), limit=1))
