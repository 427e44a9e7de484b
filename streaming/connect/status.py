"""The state and lag of each connector."""

from dataclasses import dataclass
from typing import Literal

from headrace.contracts.delivery import DELIVERIES
from headrace.contracts.postgres import postgres_needed
from headrace.contracts.settings import Settings
from headrace.streaming.connect import shop
from headrace.streaming.connect.connectors import PREFIX, SLOTS, sink_name, slot_name
from headrace.streaming.connect.delivered import undelivered
from headrace.streaming.connect.worker import ConnectorState, worker_of


@dataclass(frozen=True)
class ConnectorStatus:
    """A connector and its lag: in records for a sink, in bytes of WAL for a source."""

    state: ConnectorState
    lag: int | None
    lag_unit: Literal["records", "bytes"]

    @property
    def running(self) -> bool:
        return self.state.running


def connector_statuses(settings: Settings) -> list[ConnectorStatus]:
    """All connectors of Headrace.

    Raises:
        Transient: the worker, Kafka or PostgreSQL is unavailable.
    """
    with worker_of(settings) as worker:
        states = [state for state in worker.states() if state.name.startswith(PREFIX)]
    sinks = {sink_name(delivery): delivery for delivery in DELIVERIES.values()}
    statuses: list[ConnectorStatus] = []
    for state in states:
        if state.name in sinks:
            statuses.append(ConnectorStatus(state, undelivered(settings, sinks[state.name]), "records"))
        else:
            statuses.append(ConnectorStatus(state, _source_lag(settings, state.name), "bytes"))
    return statuses


def _source_lag(settings: Settings, name: str) -> int | None:
    """Bytes of WAL that a source has not confirmed; None if it has not started."""
    if name not in SLOTS:
        return None
    with postgres_needed(), shop.connect(settings) as db:
        row = db.execute(
            "select pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint"
            " from pg_replication_slots where slot_name = %s",
            (slot_name(settings, name),),
        ).fetchone()
    return None if row is None else row[0]
