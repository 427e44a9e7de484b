"""The jobs: builds, verification, maintenance, training. `in_hand` finds out whether a run of a job is unfinished."""

import dagster as dg

from headrace.operations.training import SOURCES
from headrace.orchestration.defs.checks.models import MODEL_CHECKS
from headrace.orchestration.defs.checks.warehouse import audit_rows, verify_topics
from headrace.orchestration.defs.ops import clear_run_history, maintain_warehouse
from headrace.orchestration.instance.processes import UNFINISHED
from headrace.orchestration.keys import BUILD_JOB, MODELS, model_key

VERIFY_JOB = "verify"
AUDIT_JOB = "audit"
IN_HAND = [dg.DagsterRunStatus.QUEUED, *UNFINISHED]
# The sensor starts no second build for the same commits, so the daemon retries a run whose process died. It does not
# retry a failed step (`instance/config.py`): steps retry transient errors themselves (`retries.py`).
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
    description="Compares, by offsets, the records in the topics with those that landed and those that are registered.",
)
AUDIT = dg.define_asset_job(
    AUDIT_JOB,
    selection=dg.AssetSelection.checks(audit_rows),
    executor_def=dg.in_process_executor,
    description="Checks all rows, changed or not: keys of whole tables, and event IDs with conflicting records.",
)


@dg.job(
    name="maintenance",
    executor_def=dg.in_process_executor,
    run_tags=RETRIES,
    description="Merges small files, expires snapshots, and deletes unused files.",
)
def MAINTENANCE() -> None:  # noqa: N802  a constant like the others
    maintain_warehouse()


@dg.job(
    name="retention",
    executor_def=dg.in_process_executor,
    description="Deletes finished runs that are older than the retention time.",
)
def RETENTION() -> None:  # noqa: N802
    clear_run_history()


CHECK_MODELS = dg.define_asset_job(
    "check_models",
    selection=CHECKS_OF_MODELS,
    executor_def=dg.in_process_executor,
    description="Checks for drift since the champions were evaluated, and for skew between training and serving.",
)


RESCORING = dg.AssetSelection.assets(model_key("behavior", "rescoring"))
RESCORE = dg.define_asset_job(
    "rescore_behavior",
    selection=RESCORING,
    executor_def=dg.in_process_executor,
    description="Scores inactive customers, so that they do not keep an old score.",
)
TRAIN = {
    model: dg.define_asset_job(
        f"train_{model}",
        selection=dg.AssetSelection.key_prefixes([MODELS, model]) - RESCORING - CHECKS_OF_MODELS,
        executor_def=dg.in_process_executor,
        description=f"Creates the training frame of {model}, trains and evaluates a version, promotes it if better.",
    )
    for model in SOURCES
}
TRAINING_JOBS = [*TRAIN.values()]


def build_in_hand(instance: dg.DagsterInstance) -> bool:
    """Whether a build is queued or running."""
    return in_hand(instance, BUILD_JOB)


def in_hand(instance: dg.DagsterInstance, job: str) -> bool:
    """Whether a run of a job is queued or running. Runs that were started by hand count."""
    return bool(instance.get_run_records(dg.RunsFilter(job_name=job, statuses=IN_HAND), limit=1))
