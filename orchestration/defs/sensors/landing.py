"""The sensor on landing commits: it observes the topics and starts builds.

It reads the landing positions in PostgreSQL. It does not poll Kafka.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
import msgspec

from headrace.contracts import clock
from headrace.contracts.settings import Settings
from headrace.orchestration.defs.assets.topics import observation
from headrace.orchestration.defs.jobs import BUILD, build_in_hand
from headrace.orchestration.instance.processes import fail_abandoned_runs
from headrace.streaming.landing.positions import TopicState, last_commit_id, topic_states
from headrace.warehouse.ingest.connect_staging import last_stored_at
from headrace.warehouse.lake.lock import is_watched

TICK_SECONDS = 5
OBSERVE_EVERY_SECONDS = 60
"""Observations stay in Dagster's event log, so a busy topic gets one a minute, an idle one none."""


class Cursor(msgspec.Struct, frozen=True):
    """The sensor's cursor: the commit that the last build was started for, and the last observations."""

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
    """Start a build if there are new commits and no build is in hand; observe the topics that changed.

    A build in hand may have read the positions before the newest commit, so the cursor stays until one can be started.
    """
    build = (commit_id, stored_at) != (cursor.commit_id, cursor.stored_at) and not in_hand
    kept = msgspec.structs.replace(cursor, commit_id=commit_id, stored_at=stored_at) if build else cursor
    if now - cursor.observed_at < OBSERVE_EVERY_SECONDS:
        return Decision(build, (), kept)
    current = {state.topic: repr(state) for state in states}
    changed = tuple(state for state in states if cursor.observed.get(state.topic) != current[state.topic])
    return Decision(build, changed, msgspec.structs.replace(kept, observed_at=now, observed=current))


@dg.sensor(
    name="landing_commits",
    target=BUILD,
    minimum_interval_seconds=TICK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts a build if micro-batches have landed since the last one, and observes the topics.",
)
def landing_commits(context: dg.SensorEvaluationContext, settings: dg.ResourceParam[Settings]) -> dg.SensorResult:
    fail_abandoned_runs(context.instance)
    conninfo = settings.conninfo()
    decision = decide(
        read_cursor(context.cursor),
        commit_id=last_commit_id(conninfo),
        stored_at=last_stored_at(conninfo),
        in_hand=build_in_hand(context.instance) or is_watched(conninfo),
        states=topic_states(conninfo),
        now=clock.seconds(),
    )
    return dg.SensorResult(
        run_requests=[dg.RunRequest()] if decision.build else [],
        skip_reason=None if decision.build else "Nothing new has landed, a build is in hand, or a builder is watching.",
        cursor=msgspec.json.encode(decision.cursor).decode(),
        asset_events=[observation(state) for state in decision.observe],
    )
