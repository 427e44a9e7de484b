"""The sensor that trains a model early where the drift check found that its data has moved."""

import dagster as dg

from contracts import clock
from models.artifact import Name
from operations.training import SOURCES
from orchestration.defs.checks.models import DRIFT_CHECK
from orchestration.defs.jobs import TRAIN
from orchestration.instance.internals import failed_at
from orchestration.keys import model_key

DRIFT_TICK_SECONDS = 60


@dg.sensor(
    name="drift_retrains",
    jobs=list(TRAIN.values()),
    minimum_interval_seconds=DRIFT_TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Trains a model before its day when the drift check finds that the data has moved, once a day at most.",
)
def drift_retrains(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    day = f"{clock.now():%Y-%m-%d}"
    moved = [model for model in SOURCES if drift_was_found(context.instance, model)]
    # The key lets each day's request of a model through once, however often the check fails.
    requests = [
        dg.RunRequest(run_key=f"{model} {day}", job_name=TRAIN[model].name, partition_key=day) for model in moved
    ]
    return dg.SensorResult(run_requests=requests, skip_reason=None if requests else "Nothing has moved.")


def drift_was_found(instance: dg.DagsterInstance, model: Name) -> bool:
    """Whether the last drift check of a model found any, and nothing was trained since."""
    key = dg.AssetCheckKey(model_key(model, "champion"), DRIFT_CHECK)
    failed = failed_at(instance, key)
    if failed is None:
        return False
    trained = instance.get_latest_materialization_event(model_key(model, "version"))
    return trained is None or trained.timestamp < failed
