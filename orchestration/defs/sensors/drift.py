"""The sensor that trains a model before its schedule if the drift check fails."""

import dagster as dg

from headrace.contracts import clock
from headrace.models.artifact import Name
from headrace.operations.training import SOURCES
from headrace.orchestration.defs.checks.models import DRIFT_CHECK
from headrace.orchestration.defs.jobs import TRAIN
from headrace.orchestration.instance.internals import failed_at
from headrace.orchestration.keys import model_key

DRIFT_TICK_SECONDS = 60


@dg.sensor(
    name="drift_retrains",
    jobs=list(TRAIN.values()),
    minimum_interval_seconds=DRIFT_TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Trains a model before its schedule if the drift check fails, at most once a day.",
)
def drift_retrains(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    day = f"{clock.now():%Y-%m-%d}"
    moved = [model for model in SOURCES if drift_was_found(context.instance, model)]
    # The run key limits a model to one request a day, however often the check fails.
    requests = [
        dg.RunRequest(run_key=f"{model} {day}", job_name=TRAIN[model].name, partition_key=day) for model in moved
    ]
    return dg.SensorResult(run_requests=requests, skip_reason=None if requests else "No drift.")


def drift_was_found(instance: dg.DagsterInstance, model: Name) -> bool:
    """Whether the latest drift check of a model failed and no version was trained since."""
    key = dg.AssetCheckKey(model_key(model, "champion"), DRIFT_CHECK)
    failed = failed_at(instance, key)
    if failed is None:
        return False
    trained = instance.get_latest_materialization_event(model_key(model, "version"))
    return trained is None or trained.timestamp < failed
