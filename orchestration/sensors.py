"""What happens on new landing commits: topics are observed, and a build is started.

The sensor reads the lander's accounts in PostgreSQL. It never polls Kafka. Another one looks at what the drift
checks found, and trains early.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
import msgspec
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from contracts.settings import Settings
from models.artifact import Name
from orchestration.alerts import alert_on_failure
from orchestration.assets_topics import observation
from orchestration.checks_models import DRIFT_CHECK
from orchestration.jobs import BUILD, TRAIN, build_in_hand
from orchestration.keys import model_key
from orchestration.processes import fail_abandoned_runs
from orchestration.training import SOURCES
from streaming.landing.accounts import TopicState, last_commit_id, topic_states
from warehouse.lock import is_followed
from warehouse.staged import last_stored_at

TICK_SECONDS = 5
DRIFT_TICK_SECONDS = 60
OBSERVE_EVERY_SECONDS = 60
"""Observations stay in Dagster's log for good, so a busy topic gets one a minute, an idle one none."""


class Cursor(msgspec.Struct, frozen=True):
    """What the sensor remembers: the commit that the last build was started for, and what it last reported."""

    commit_id: int = 0
    stored_at: str | None = None
    observed_at: float = 0.0
    observed: dict[str, str] = msgspec.field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """What a tick does."""

    build: bool
    observe: tuple[TopicState, ...]
    cursor: Cursor


def read_cursor(text: str | None) -> Cursor:
    """The cursor as the last tick left it."""
    return msgspec.json.decode(text, type=Cursor) if text else Cursor()


def decide(
    cursor: Cursor,
    *,
    commit_id: int,
    stored_at: str | None,
    in_hand: bool,
    states: Sequence[TopicState],
    now: float,
) -> Decision:
    """Start a build when there are commits since the last one started for and none is in hand; report what changed.

    A build in hand may have read the accounts before the newest commit, so the cursor stays until one can be started.
    """
    build = (commit_id, stored_at) != (cursor.commit_id, cursor.stored_at) and not in_hand
    kept = msgspec.structs.replace(cursor, commit_id=commit_id, stored_at=stored_at) if build else cursor
    if now - cursor.observed_at < OBSERVE_EVERY_SECONDS:
        return Decision(build, (), kept)
    prints = {state.topic: repr(state) for state in states}
    changed = tuple(state for state in states if cursor.observed.get(state.topic) != prints[state.topic])
    return Decision(build, changed, msgspec.structs.replace(kept, observed_at=now, observed=prints))


@dg.sensor(
    name="landing_commits",
    target=BUILD,
    minimum_interval_seconds=TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a build when micro-batches have landed since the last one, and observes the topics.",
)
def landing_commits(context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]) -> dg.SensorResult:
    fail_abandoned_runs(context.instance)
    conninfo = settings.conninfo()
    decision = decide(
        read_cursor(context.cursor),
        commit_id=last_commit_id(conninfo),
        stored_at=last_stored_at(conninfo),
        in_hand=build_in_hand(context.instance) or is_followed(conninfo),
        states=topic_states(conninfo),
        now=datetime.now(UTC).timestamp(),
    )
    return dg.SensorResult(
        run_requests=[dg.RunRequest()] if decision.build else [],
        skip_reason=None if decision.build else "Nothing new has landed, or a build is in hand, or a builder follows.",
        cursor=msgspec.json.encode(decision.cursor).decode(),
        asset_events=[observation(state) for state in decision.observe],
    )


@dg.sensor(
    name="drift_retrains",
    jobs=list(TRAIN.values()),
    minimum_interval_seconds=DRIFT_TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Trains a model before its day when the drift check finds that the data has moved, once a day at most.",
)
def drift_retrains(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    moved = [model for model in SOURCES if drift_was_found(context.instance, model)]
    # The key lets each day's request of a model through once, however often the check fails.
    requests = [
        dg.RunRequest(run_key=f"{model} {day}", job_name=TRAIN[model].name, partition_key=day) for model in moved
    ]
    return dg.SensorResult(run_requests=requests, skip_reason=None if requests else "Nothing has moved.")


def drift_was_found(instance: dg.DagsterInstance, model: Name) -> bool:
    """Whether the last drift check of a model found any, and nothing was trained since."""
    key = dg.AssetCheckKey(model_key(model, "champion"), DRIFT_CHECK)
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([key]).get(key)
    if record is None or record.status is not AssetCheckExecutionRecordStatus.FAILED:
        return False
    trained = instance.get_latest_materialization_event(model_key(model, "version"))
    return trained is None or trained.timestamp < record.create_timestamp


SENSORS = (landing_commits, drift_retrains, alert_on_failure)
