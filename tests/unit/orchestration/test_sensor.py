"""When the sensor starts a build, and when it reports on the topics."""

from datetime import UTC, datetime

import dagster as dg
import msgspec

from headrace.orchestration.defs.assets.topics import observation
from headrace.orchestration.defs.sensors.landing import OBSERVE_EVERY_SECONDS, Cursor, decide, read_cursor
from headrace.streaming.landing.positions import TopicState


def _state(landed: int = 10, lag: int | None = 0) -> TopicState:
    return TopicState("orders", landed, lag, datetime(2026, 1, 1, tzinfo=UTC), landed, 0, ())


def test_a_new_commit_starts_a_build_once() -> None:
    first = decide(Cursor(), commit_id=7, stored_at=None, in_hand=False, states=[], now=0)
    again = decide(first.cursor, commit_id=7, stored_at=None, in_hand=False, states=[], now=5)
    assert (first.build, again.build) == (True, False)


def test_nothing_landed_starts_nothing() -> None:
    assert not decide(read_cursor(None), commit_id=0, stored_at=None, in_hand=False, states=[], now=0).build


def test_a_commit_during_a_build_starts_another_when_that_is_done() -> None:
    cursor = Cursor(commit_id=7)
    during = decide(cursor, commit_id=8, stored_at=None, in_hand=True, states=[], now=0)
    after = decide(during.cursor, commit_id=8, stored_at=None, in_hand=False, states=[], now=5)
    assert (during.build, after.build, after.cursor.commit_id) == (False, True, 8)


def test_what_connect_delivers_starts_a_build_though_nothing_has_landed() -> None:
    first = decide(Cursor(commit_id=7), commit_id=7, stored_at="2026-03-01 12:00", in_hand=False, states=[], now=0)
    again = decide(first.cursor, commit_id=7, stored_at="2026-03-01 12:00", in_hand=False, states=[], now=5)
    assert (first.build, again.build) == (True, False)


def test_a_recreated_database_does_not_stop_builds() -> None:
    assert decide(Cursor(commit_id=900), commit_id=3, stored_at=None, in_hand=False, states=[], now=0).build


def test_a_topic_is_observed_when_it_changed_and_at_most_once_a_minute() -> None:
    now = 1_000.0
    first = decide(Cursor(), commit_id=0, stored_at=None, in_hand=False, states=[_state()], now=now)
    soon = decide(first.cursor, commit_id=0, stored_at=None, in_hand=False, states=[_state(20)], now=now + 5)
    later = decide(
        soon.cursor, commit_id=0, stored_at=None, in_hand=False, states=[_state(20)], now=now + OBSERVE_EVERY_SECONDS
    )
    idle = decide(
        later.cursor,
        commit_id=0,
        stored_at=None,
        in_hand=False,
        states=[_state(20)],
        now=now + 2 * OBSERVE_EVERY_SECONDS,
    )
    assert [len(each.observe) for each in (first, soon, later, idle)] == [1, 0, 1, 0]


def test_the_cursor_survives_as_text() -> None:
    cursor = decide(Cursor(), commit_id=7, stored_at=None, in_hand=False, states=[_state()], now=12.5).cursor
    assert read_cursor(msgspec.json.encode(cursor).decode()) == cursor


def test_an_observation_has_lag_and_last_landing_and_leaves_out_unknown_values() -> None:
    known, unknown = observation(_state(lag=4)), observation(_state(lag=None))
    assert known.asset_key == dg.AssetKey(["kafka", "orders"])
    assert known.metadata["lag"] == dg.MetadataValue.int(4)
    assert known.metadata["last_landing"] == dg.MetadataValue.timestamp(datetime(2026, 1, 1, tzinfo=UTC))
    assert "lag" not in unknown.metadata
