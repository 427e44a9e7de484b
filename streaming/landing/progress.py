"""Whether the current records of the topics have landed, for commands that must not run ahead of the lander."""

import time
from collections.abc import Callable, Iterable

from headrace.contracts.settings import Settings
from headrace.contracts.topic import TopicAndPartition
from headrace.contracts.topics import TOPICS
from headrace.streaming.landing import positions
from headrace.streaming.landing.audit import scan
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.topics import offset_bounds, topic_ids

POLL_SECONDS = 0.2


def committed_ends(settings: Settings, topics: Iterable[str] = tuple(TOPICS)) -> dict[TopicAndPartition, int]:
    """Last stable offset (exclusive) of every partition now."""
    admin = clients.admin(settings)
    present = topic_ids(admin, topics)
    known = admin.list_topics(timeout=20).topics
    keys = [(topic, partition) for topic in present for partition in known[topic].partitions]
    return {key: end for key, (_, end) in offset_bounds(admin, keys).items()}


def wait_until_landed(
    settings: Settings,
    ends: dict[TopicAndPartition, int],
    *,
    timeout: float,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Wait until every partition has landed up to its end; returns the number of remaining records at the timeout.

    The last offsets before an end may be transaction markers, which positions never pass: if positions do not advance,
    a scan shows whether records remain.
    """
    deadline = time.monotonic() + timeout
    moved_at, last = time.monotonic(), -1
    while True:
        behind = _behind(settings, ends)
        offsets = sum(ends[key] - position for key, position in behind.items())
        if not offsets:
            return 0
        if on_progress is not None:
            on_progress(offsets)
        if offsets != last:
            moved_at, last = time.monotonic(), offsets
        stands_still = time.monotonic() - moved_at > 2 * settings.landing_flush_seconds + 1
        if stands_still or time.monotonic() > deadline:
            records = sum(len(found) for found in scan(settings, {k: (p, ends[k]) for k, p in behind.items()}).values())
            if not records or time.monotonic() > deadline:
                return records
            moved_at = time.monotonic()
        time.sleep(POLL_SECONDS)


def _behind(settings: Settings, ends: dict[TopicAndPartition, int]) -> dict[TopicAndPartition, int]:
    """Landing positions of the partitions that are below their end."""
    with positions.connection(settings.conninfo()) as db:
        stored = positions.stored_positions(db, positions.known_topics(db).values())
    found = {key: stored[key].next_offset if key in stored else 0 for key in ends}
    return {key: position for key, position in found.items() if position < ends[key]}
