"""Stores: data survives a restart, and a store that may be wrong is not used."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.streaming.runtime.processing.changelog import (
    DELETE_RETENTION,
    MAX_POLL_SECONDS,
    RESTORE_SECONDS,
    changelog_topic,
)
from headrace.streaming.runtime.processing.store import Checkpoint, Store, View, is_usable

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MINE, ANOTHER = UUID(int=1), UUID(int=2)
HALF = DELETE_RETENTION / 2


def test_what_was_written_is_there_again_with_its_checkpoint(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    store.write({b"a": b"1", b"b": b"2"}, Checkpoint(MINE, 5, NOW))
    store.write({b"a": None, b"c": b"3"}, Checkpoint(MINE, 8, NOW))
    store.close()
    again = Store(tmp_path / "store")
    assert again.checkpoint == Checkpoint(MINE, 8, NOW)
    assert again.entries(b"a", b"z") == {b"b": b"2", b"c": b"3"}
    assert again.entries(b"b", b"c") == {b"b": b"2"}
    again.confirm()
    confirmed = again.checkpoint
    assert confirmed is not None
    assert (confirmed.offset, confirmed.written_at > NOW) == (8, True)
    again.close()
    assert Store.emptied(tmp_path / "store").checkpoint is None


@pytest.mark.parametrize(
    ("checkpoint", "end", "usable"),
    [
        (Checkpoint(MINE, 10, NOW), 10, True),
        (Checkpoint(MINE, 10, NOW - HALF + timedelta(seconds=1)), 500, True),
        (Checkpoint(MINE, 10, NOW - HALF), 500, False),
        (Checkpoint(ANOTHER, 10, NOW), 10, False),
        (Checkpoint(MINE, 11, NOW), 10, False),
    ],
    ids=["up to date", "behind", "so old that deletions may be gone", "of another topic", "ahead of its changelog"],
)
def test_only_a_store_that_matches_the_changelog_is_used(checkpoint: Checkpoint, end: int, usable: bool) -> None:
    assert is_usable(checkpoint, MINE, end, DELETE_RETENTION, NOW) is usable


def test_a_changelog_drops_deleted_values_soon_and_keeps_tombstones_longer() -> None:
    config = changelog_topic("any", "orders").config
    assert config["cleanup.policy"] == "compact"
    assert int(config["max.compaction.lag.ms"]) < int(config["delete.retention.ms"]) / 2


def test_restoring_ends_before_the_group_removes_the_instance() -> None:
    assert RESTORE_SECONDS + 30 < MAX_POLL_SECONDS


KEYS = st.sampled_from([b"a", b"b", b"c"])
ACTIONS = st.one_of(
    st.tuples(st.just("put"), KEYS, st.binary(max_size=2)),
    st.tuples(st.just("delete"), KEYS, st.just(b"")),
    st.tuples(st.just("get"), KEYS, st.just(b"")),
    st.tuples(st.just("scan"), KEYS, KEYS),
)


@given(st.dictionaries(KEYS, st.binary(max_size=2)), st.lists(ACTIONS, max_size=20), st.booleans())
def test_a_view_reads_its_own_writes_over_what_is_below(
    below: dict[bytes, bytes], actions: list[tuple[str, bytes, bytes]], twice: bool
) -> None:
    class Base:
        def get(self, key: bytes) -> bytes | None:
            return below.get(key)

        def entries(self, start: bytes, end: bytes) -> dict[bytes, bytes]:
            return {key: value for key, value in below.items() if start <= key < end}

    view, plain = View(View(Base()) if twice else Base()), dict(below)
    for action, key, value in actions:
        match action:
            case "put":
                view.put(key, value)
                plain[key] = value
            case "delete":
                view.delete(key)
                plain.pop(key, None)
            case "get":
                assert view.get(key) == plain.get(key)
            case _:
                within = sorted((each, plain[each]) for each in plain if key <= each < value)
                assert list(view.scan(key, value)) == within
