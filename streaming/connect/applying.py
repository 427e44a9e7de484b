"""Making a worker's connectors what is declared: creating, updating and removing, and nothing where nothing differs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import psycopg
import stamina

from contracts.delivery import DELIVERIES, table_sql
from contracts.errors import Terminal, Transient
from contracts.rights import grant, rights_needed
from contracts.settings import Settings
from streaming.connect import shop
from streaming.connect.connectors import PREFIX, SLOTS, Config, declared, slot_name
from streaming.connect.worker import Worker, worker_of
from streaming.runtime.health import quiet_admin
from streaming.runtime.topics import topic_ids

Action = Literal["create", "update", "remove", "keep"]
ATTEMPTS = 60
"""A worker that rebalances refuses for some seconds."""


@dataclass(frozen=True)
class Change:
    """What is to happen to a connector."""

    name: str
    action: Action


def plan(present: Mapping[str, Config], wanted: Mapping[str, Config]) -> list[Change]:
    """What has to happen so that the connectors of ours are those wanted. Others are left alone."""
    changes = [Change(name, "remove") for name in present if name.startswith(PREFIX) and name not in wanted]
    for name, config in wanted.items():
        if name not in present:
            changes.append(Change(name, "create"))
        else:
            changes.append(Change(name, "keep" if present[name] == config | {"name": name} else "update"))
    return sorted(changes, key=lambda change: change.name)


def prepare(settings: Settings) -> None:
    """Make the tables that sinks write into, and the shop's database.

    Raises:
        Transient: PostgreSQL is away.
        Terminal: it cannot do what sources need.
    """
    try:
        with rights_needed(), _connected(settings) as db:
            db.execute("select pg_advisory_xact_lock(hashtext('headrace deliveries'))")
            for delivery in DELIVERIES.values():
                db.execute(table_sql(delivery).encode())
            grant(db, *(delivery.schema for delivery in DELIVERIES.values()))
    except psycopg.OperationalError as error:
        raise Transient(f"PostgreSQL does not answer: {str(error).strip()}") from error
    shop.prepare(settings)


def _connected(settings: Settings) -> psycopg.Connection:
    return psycopg.connect(settings.conninfo(), connect_timeout=10, application_name="headrace-connect")


def wanted_connectors(settings: Settings) -> dict[str, Config]:
    """What is declared, for the topics as they are now.

    Raises:
        Terminal: a topic is missing.
    """
    ids = topic_ids(quiet_admin(settings), DELIVERIES)
    if missing := DELIVERIES.keys() - ids.keys():
        raise Terminal(f"Kafka has no topic {', '.join(sorted(missing))}.", remedy="`headrace up` creates the topics.")
    return declared(settings, ids)


def apply(settings: Settings) -> list[Change]:
    """Prepare the databases, make the worker's connectors those declared, and say what was done to each.

    Raises:
        Transient: the worker, Kafka or PostgreSQL is away.
        Terminal: a plugin is missing, or the worker refuses a configuration.
    """
    prepare(settings)
    return configure(settings, wanted_connectors(settings))


def configure(settings: Settings, wanted: Mapping[str, Config]) -> list[Change]:
    """Make the worker's connectors those wanted. Raises as `apply` does."""
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
    """Remove a connector; a source with its offsets and its slot, which would keep the server's log for ever.

    Without the offsets a source that is declared again begins with a snapshot. A sink goes on where it was.
    """
    if name in worker.configs():
        if name in SLOTS:
            worker.stop(name)
            if any(state.name == name and (state.state != "STOPPED" or state.tasks) for state in worker.states()):
                raise Transient(f"The connector {name} is not stopped yet.")
            worker.forget_offsets(name)
        worker.delete(name)
    if name in SLOTS:
        _drop_slot(settings, slot_name(settings, name))


def _drop_slot(settings: Settings, slot: str) -> None:
    with shop.connect(settings, "headrace_capture") as db:
        found = db.execute("select active from pg_replication_slots where slot_name = %s", (slot,)).fetchone()
        if found == (True,):
            raise Transient(f"The replication slot {slot} is still read.")
        if found is not None:
            db.execute("select pg_drop_replication_slot(%s)", (slot,))


def _require_plugins(worker: Worker, wanted: Mapping[str, Config]) -> None:
    missing = {config["connector.class"] for config in wanted.values()} - worker.plugins()
    if missing:
        raise Terminal(
            f"This Connect lacks {', '.join(sorted(missing))}.",
            remedy="Put the plugins on its plugin.path (docs/how-to/connect.md), or let `headrace up` run one.",
        )
