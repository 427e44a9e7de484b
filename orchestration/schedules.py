"""What runs by the clock: a build now and then in case the sensor missed something, reconciliation, and upkeep."""

import dagster as dg

from orchestration.jobs import AUDIT, BUILD, MAINTENANCE, RETENTION, VERIFY, build_in_hand

FALLBACK_CRON = "*/30 * * * *"
AUDIT_CRON = "41 3 * * *"
VERIFY_CRON = "17 * * * *"
"""Hourly: a verification reads all that the topics retain."""
MAINTENANCE_CRON = "40 */6 * * *"
"""Four times a day: a day of small files is what makes builds and queries slow."""
RETENTION_CRON = "55 3 * * *"


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
    description="Checks all rows, whatever changed: keys of whole tables, and events that were told in two ways.",
)

SCHEDULES = (build_fallback, verify_hourly, audit_daily, maintenance_regularly, retention_nightly)
