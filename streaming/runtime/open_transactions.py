"""Open transactions that block readers: a `read_committed` reader stops before the first record of one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from confluent_kafka.admin import AdminClient
from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from kafka.structs import TopicPartition

from headrace.contracts import clock
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.contracts.topic import TopicAndPartition
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.topics import offset_bounds, uncommitted_ends
from headrace.streaming.runtime.transactions import OVERDUE_SECONDS

PATIENCE_SECONDS = 2.0
"""Younger transactions of other clients will most likely end soon."""


@dataclass(frozen=True)
class OpenTransaction:
    """An open transaction in a partition: readers wait at `first_offset`, `held_back` offsets before the end.

    Fields that the broker does not report are None.
    """

    topic: str
    partition: int
    first_offset: int
    held_back: int
    producer_id: int | None
    producer_epoch: int | None
    transactional_id: str | None
    since: datetime | None
    coordinator_epoch: int | None = None

    @property
    def reason(self) -> str:
        """Which transaction blocks readers, where, and since when."""
        who = f" of {self.transactional_id}" if self.transactional_id else ""
        since = f", open since {self.since:%Y-%m-%d %H:%M:%S} UTC" if self.since else ""
        return (
            f"{self.topic}-{self.partition}: a transaction{who} (producer id {self.producer_id}{since}) holds readers"
            f" back at offset {self.first_offset}, {self.held_back:,} before the end"
        )

    @property
    def remedy(self) -> str:
        """How to end it."""
        return (
            "If its program is gone for good, end the transaction: `kafka-transactions --bootstrap-server … abort"
            f" --topic {self.topic} --partition {self.partition} --start-offset {self.first_offset}`, or"
            f" `headrace landing abort-transaction {self.topic} {self.partition}`."
        )


def open_transactions(
    settings: Settings,
    admin: AdminClient,
    partitions: Iterable[TopicAndPartition],
    *,
    patience: float = PATIENCE_SECONDS,
) -> list[OpenTransaction]:
    """The transaction that blocks readers in each partition, if it is older than `patience`.

    Headrace's own transactions are excluded until they exceed their maximum age.

    Raises:
        Transient: the broker did not answer.
    """
    keys = list(partitions)
    ends = uncommitted_ends(admin, keys)
    held = {
        key: (stable, ends[key]) for key, (_, stable) in offset_bounds(admin, keys).items() if stable < ends.get(key, 0)
    }
    if not held:
        return []
    found = _described(settings, held)
    now = clock.seconds()
    return [
        each
        for each in found
        if each.since is None or now - each.since.timestamp() >= _patience(settings, each.transactional_id, patience)
    ]


def abort(settings: Settings, found: OpenTransaction) -> None:
    """Write the abort marker of a transaction, even if its program is still running.

    Raises:
        Terminal: the broker denied or failed the request.
    """
    from kafka.admin._transactions import AbortTransactionSpec

    client = _admin(settings)
    try:
        place = TopicPartition(found.topic, found.partition)
        # The broker rejects a marker whose coordinator epoch is older than that of the producer's last one here.
        epochs = found.producer_epoch or 0, -1 if found.coordinator_epoch is None else found.coordinator_epoch
        client.abort_transaction(AbortTransactionSpec(place, found.producer_id or 0, *epochs))
    except KafkaError as error:
        raise Terminal(f"{found.reason}, and was not ended: {type(error).__name__}.", remedy=found.remedy) from error
    finally:
        client.close()


def _admin(settings: Settings) -> Any:
    """kafka-python's client: librdkafka has no such calls. (Its type lacks the methods of its mixins.)"""
    return KafkaAdminClient(**clients.raw_settings(settings))


def _patience(settings: Settings, transactional_id: str | None, patience: float) -> float:
    own = transactional_id is not None and transactional_id.startswith(f"{settings.database}-")
    return max(patience, OVERDUE_SECONDS) if own else patience


def _described(settings: Settings, held: Mapping[TopicAndPartition, tuple[int, int]]) -> list[OpenTransaction]:
    try:
        client = _admin(settings)
    except KafkaError:
        return [_unknown(key, bounds) for key, bounds in held.items()]
    try:
        producers = client.describe_producers([TopicPartition(*key) for key in held])
        listed = [each for listing in client.list_transactions().values() for each in listing]
        names = {each.producer_id: each.transactional_id for each in listed}
        found: list[OpenTransaction] = []
        for key, (stable, end) in held.items():
            state = producers.get(TopicPartition(*key))
            open_now = [p for p in (state.active_producers if state else ()) if p.current_transaction_start_offset >= 0]
            first = min(open_now, key=lambda each: each.current_transaction_start_offset, default=None)
            if first is None:
                continue  # it has ended in the meantime
            name = names.get(first.producer_id)
            started = client.describe_transactions([name])[name].transaction_start_time_ms if name else -1
            since = started if started > 0 else first.last_timestamp
            found.append(
                OpenTransaction(
                    *key,
                    first_offset=first.current_transaction_start_offset,
                    held_back=end - stable,
                    producer_id=first.producer_id,
                    producer_epoch=first.producer_epoch,
                    transactional_id=name,
                    since=datetime.fromtimestamp(since / 1_000, UTC) if since > 0 else None,
                    coordinator_epoch=first.coordinator_epoch,
                )
            )
        return found
    except KafkaError:
        return [_unknown(key, bounds) for key, bounds in held.items()]
    finally:
        client.close()


def _unknown(key: TopicAndPartition, bounds: tuple[int, int]) -> OpenTransaction:
    """Used if the broker does not describe producers, or denies the request."""
    stable, end = bounds
    return OpenTransaction(*key, stable, end - stable, None, None, None, None)
