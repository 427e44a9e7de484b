"""Applies the declared connectors to a worker: creates, updates and removes them where they differ."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import psycopg
import stamina

from headrace.contracts.delivery import DELIVERIES, table_sql
from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.postgres import postgres_needed
from headrace.contracts.rights import grant, rights_needed
from headrace.contracts.settings import Settings
from headrace.streaming.connect import shop
from headrace.streaming.connect.connectors import PREFIX, SLOTS, Config, declared, slot_name
from headrace.streaming.connect.worker import Worker, worker_of
from headrace.streaming.runtime.health import quiet_admin
from headrace.streaming.runtime.topics import topic_ids

Action = Literal["create", "update", "remove", "keep"]
ATTEMPTS = 60
"""A worker rejects requests for some seconds during a rebalance."""


@dataclass(frozen=True)
class Change:
    """A change to a connector."""

    name: str
    action: Action


def plan(present: Mapping[str, Config], wanted: Mapping[str, Config]) -> list[Change]:
    """The changes needed so that Headrace's connectors match those wanted. Other connectors are not touched."""
    changes = [Change(name, "remove") for name in present if name.startswith(PREFIX) and name not in wanted]
    for name, config in wanted.items():
        if name not in present:
            changes.append(Change(name, "create"))
        else:
            changes.append(Change(name, "keep" if present[name] == config | {"name": name} else "update"))
    return sorted(changes, key=lambda change: change.name)


def prepare(settings: Settings) -> None:
    """Create the tables that sinks write to, and the shop's database.

    Raises:
        Transient: PostgreSQL is unavailable.
        Terminal: it lacks what sources need.
    """
    with postgres_needed(), rights_needed(), _connected(settings) as db:
        db.execute("select pg_advisory_xact_lock(hashtext('headrace deliveries'))")
        for delivery in DELIVERIES.values():
            db.execute(table_sql(delivery).encode())
        grant(db, *(delivery.schema for delivery in DELIVERIES.values()))
    shop.prepare(settings)


def _connected(settings: Settings) -> psycopg.Connection:
    return psycopg.connect(settings.conninfo(), connect_timeout=10, application_name="headrace-connect")


def wanted_connectors(settings: Settings) -> dict[str, Config]:
    """The declared connectors, for the topics as they are now.

    Raises:
        Terminal: a topic is missing.
    """
    ids = topic_ids(quiet_admin(settings), DELIVERIES)
    if missing := DELIVERIES.keys() - ids.keys():
        raise Terminal(f"Kafka has no topic {', '.join(sorted(missing))}.", remedy="`headrace up` creates the topics.")
    return declared(settings, ids)


def apply(settings: Settings) -> list[Change]:
    """Prepare the databases and apply the declared connectors; returns the change made to each.

    Raises:
        Transient: the worker, Kafka or PostgreSQL is unavailable.
        Terminal: a plugin is missing, or the worker refuses a configuration.
    """
    prepare(settings)
    return configure(settings, wanted_connectors(settings))


def configure(settings: Settings, wanted: Mapping[str, Config]) -> list[Change]:
    """Apply the connectors wanted to the worker. Raises the same errors as `apply`."""
    with worker_of(settings) as worker:
        _require_plugins(worker, wanted)
        changes = plan(worker.configs(), wanted)
        for change in changes:
            for attempt in stamina.retry_context(on=Transient, attempts=ATTEMPTS, timeout=60.0, wait_max=1.0):
                with attempt:
                    _make(settings, worker, change, wanted)
    return changes


def _make(settings: Settings, worker: Worker, change: Change, wanted: Mapping[str, Config]) -> None:
    if change.action in ("create", "update"):
        worker.put(change.name, wanted[change.name])
    elif change.action == "remove":
        _remove(settings, worker, change.name)


def _remove(settings: Settings, worker: Worker, name: str) -> None:
    """Remove a connector; for a source also its offsets and its slot, which would otherwise retain the WAL
    indefinitely.

    Without offsets, a source that is declared again starts with a snapshot. A sink resumes from its offsets.
    """
    if name in worker.configs():
        if name in SLOTS:
            worker.stop(name)
            if any(state.name == name and (state.state != "STOPPED" or state.tasks) for state in worker.states()):
                raise Transient(f"The connector {name} has not stopped yet.")
            worker.forget_offsets(name)
        worker.delete(name)
    if name in SLOTS:
        _drop_slot(settings, slot_name(settings, name))


def _drop_slot(settings: Settings, slot: str) -> None:
    with shop.connect(settings, "headrace_capture") as db:
        found = db.execute("select active from pg_replication_slots where slot_name = %s", (slot,)).fetchone()
        if found == (True,):
            raise Transient(f"The replication slot {slot} is still active.")
        if found is not None:
            db.execute("select pg_drop_replication_slot(%s)", (slot,))


def _require_plugins(worker: Worker, wanted: Mapping[str, Config]) -> None:
    missing = {config["connector.class"] for config in wanted.values()} - worker.plugins()
    if missing:
        raise Terminal(
            f"This Connect lacks {', '.join(sorted(missing))}.",
            remedy="Put the plugins on its plugin.path (docs/how-to/connect.md), or use the worker of `headrace up`.",
        )
