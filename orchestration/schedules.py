"""What runs by the clock: a build now and then in case the sensor missed something, and the full reconciliation."""

import dagster as dg

from orchestration.jobs import BUILD, VERIFY, build_in_hand

FALLBACK_CRON = "*/30 * * * *"
VERIFY_CRON = "17 * * * *"
"""Hourly: a verification reads all that the topics retain."""


@dg.schedule(
    name="build_fallback",
    cron_schedule=FALLBACK_CRON,
    target=BUILD,
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Builds even when no landing commit was noticed. Skips while a build is queued or running.",
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
    description="Compares, by offsets, what the topics hold with what landed and what is registered.",
)

SCHEDULES = (build_fallback, verify_hourly)
