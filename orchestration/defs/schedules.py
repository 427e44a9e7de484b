"""Schedules: fallback builds, reconciliation, maintenance, training and rescoring."""

from collections.abc import Mapping

import dagster as dg

from headrace.models.artifact import Name
from headrace.operations.training import SOURCES
from headrace.orchestration.defs.assets.models import NEW_DATA_ONLY
from headrace.orchestration.defs.jobs import (
    AUDIT,
    BUILD,
    CHECK_MODELS,
    MAINTENANCE,
    RESCORE,
    RETENTION,
    TRAIN,
    VERIFY,
    build_in_hand,
    in_hand,
)

FALLBACK_CRON = "*/30 * * * *"
AUDIT_CRON = "41 3 * * *"
VERIFY_CRON = "17 * * * *"
"""Hourly: a verification reads everything that the topics retain."""
MAINTENANCE_CRON = "40 * * * *"
"""Hourly: the landers write a file every two seconds, and hundreds of small files slow builds down."""
RETENTION_CRON = "55 3 * * *"


@dg.schedule(
    name="build_fallback",
    cron_schedule=FALLBACK_CRON,
    target=BUILD,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Builds even if the sensor has detected no landing commit. Skips while a build is queued or running.",
)
def build_fallback(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    if build_in_hand(context.instance):
        return dg.SkipReason("A build is queued or running.")
    return dg.RunRequest()


verify_hourly = dg.ScheduleDefinition(
    name="verify_hourly",
    cron_schedule=VERIFY_CRON,
    target=VERIFY,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Compares, by offsets, the records in the topics with those that landed and those that are registered.",
)

maintenance_regularly = dg.ScheduleDefinition(
    name="maintenance_regularly",
    cron_schedule=MAINTENANCE_CRON,
    target=MAINTENANCE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Keeps files, bytes and snapshots of the warehouse bounded.",
)
retention_nightly = dg.ScheduleDefinition(
    name="retention_nightly",
    cron_schedule=RETENTION_CRON,
    target=RETENTION,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Keeps Dagster's own history bounded.",
)
audit_daily = dg.ScheduleDefinition(
    name="audit_daily",
    cron_schedule=AUDIT_CRON,
    target=AUDIT,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Checks all rows, changed or not: keys of whole tables, and event IDs with conflicting records.",
)

TRAIN_CRONS: Mapping[Name, str] = {"behavior": "10 2 * * *", "intent": "30 2 * * *", "sentiment": "50 2 * * *"}
"""Daily, one after the other."""
RESCORE_CRON = "30 3 * * *"
CHECK_MODELS_CRON = "47 * * * *"


def train_daily(model: Name) -> dg.ScheduleDefinition:
    """The daily training of a model, of today's partition."""

    @dg.schedule(
        name=f"train_{model}_daily",
        cron_schedule=TRAIN_CRONS[model],
        target=TRAIN[model],
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Trains if there is new data since the latest version. Skips if a training is queued or running.",
    )
    def daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if in_hand(context.instance, TRAIN[model].name):
            return dg.SkipReason("A training is queued or running.")
        day = f"{context.scheduled_execution_time:%Y-%m-%d}"
        return dg.RunRequest(partition_key=day, tags={NEW_DATA_ONLY: "yes"})

    return daily


check_models_hourly = dg.ScheduleDefinition(
    name="check_models_hourly",
    cron_schedule=CHECK_MODELS_CRON,
    target=CHECK_MODELS,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Checks for drift since the champions were evaluated, and for skew between training and serving.",
)

rescore_daily = dg.ScheduleDefinition(
    name="rescore_behavior_daily",
    cron_schedule=RESCORE_CRON,
    target=RESCORE,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Scores inactive customers, after the training of the day.",
)

TRAINING_SCHEDULES = [train_daily(model) for model in SOURCES]
