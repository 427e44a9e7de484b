"""Checks every half minute for open transactions that block the lander; reports each in a metric and a log line."""

from collections.abc import Iterable

from confluent_kafka.admin import AdminClient

from headrace.contracts.settings import Settings
from headrace.contracts.topic import TopicAndPartition
from headrace.streaming.runtime import logs, metrics
from headrace.streaming.runtime.open_transactions import open_transactions

LOOK_SECONDS = 30.0


class HeldBack:
    """The transactions found by the last check."""

    def __init__(self, settings: Settings, admin: AdminClient) -> None:
        self._settings = settings
        self._admin = admin
        self._look_at = 0.0
        self._known: set[tuple[str, int, int]] = set()
        self._counted: set[str] = set()

    def look(self, now: float, keys: Iterable[TopicAndPartition]) -> None:
        """Check if it is due.

        Raises:
            Transient: the broker did not answer.
        """
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        found = open_transactions(self._settings, self._admin, keys)
        counts = dict.fromkeys(self._counted, 0)
        for each in found:
            counts[each.topic] = counts.get(each.topic, 0) + each.held_back
            if (each.topic, each.partition, each.first_offset) not in self._known:
                logs.logger(part="lander").warning(
                    "an open transaction holds readers back",
                    topic=each.topic,
                    partition=each.partition,
                    reason=each.reason,
                    remedy=each.remedy,
                )
        for topic, count in counts.items():
            metrics.HELD_BACK.labels(topic).set(count)
        self._counted = set(counts)
        self._known = {(each.topic, each.partition, each.first_offset) for each in found}
