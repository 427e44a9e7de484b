"""The builder's lock: only one process at a time registers, builds or maintains.

DuckLake has no unique keys and allows concurrent inserts, so writers take turns. The lock is an advisory lock in
PostgreSQL and ends with the connection that holds it, so it cannot outlive its process. A writer that lost it without
noticing is fenced by the watermarks (`headrace.warehouse.lake.watermarks`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import structlog

from headrace.contracts.postgres import postgres_needed

LOCK_ID = 0x6865_6164_7261_6365
"""The bytes of `headrace`; advisory locks are numbers."""
WATCHER_ID = LOCK_ID + 1
"""Held by the long-running builder (`headrace build --watch`) while it runs."""

_HOLDER = """
select activity.pid
from pg_locks join pg_stat_activity activity using (pid)
where pg_locks.locktype = 'advisory' and granted and pg_locks.database = (
    select oid from pg_database where datname = current_database()
) and (classid::bigint << 32 | objid::bigint) = %s
"""

log = structlog.get_logger(part="warehouse")


class BuilderLock:
    """The lock of this process. It is reentrant."""

    def __init__(self, connected: Callable[[], psycopg.Connection]) -> None:
        """`connected` returns a connection in autocommit mode, the same one until it is closed."""
        self._connected = connected
        self._depth = 0

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock within the block; waiting for it is logged.

        Raises:
            Transient: PostgreSQL is unavailable.
        """
        if self._depth:
            yield
            return
        connection = self._connected()
        _acquire(connection)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            _release(connection)


def _acquire(connection: psycopg.Connection) -> None:
    with postgres_needed("PostgreSQL, which holds the builder's lock,"):
        taken = connection.execute("select pg_try_advisory_lock(%s)", [LOCK_ID]).fetchone()
        if taken == (True,):
            return
        holder = connection.execute(_HOLDER, [LOCK_ID]).fetchone()
        log.info("waiting for another build to finish", postgres_pid=holder[0] if holder else None)
        connection.execute("select pg_advisory_lock(%s)", [LOCK_ID])


def _release(connection: psycopg.Connection) -> None:
    try:
        connection.execute("select pg_advisory_unlock(%s)", [LOCK_ID])
    except psycopg.OperationalError:
        # The connection is lost, and the lock with it.
        log.warning("lost the connection that held the builder's lock")
        connection.close()


@contextmanager
def watching(conninfo: str) -> Iterator[bool]:
    """Hold the watcher's lock within the block; yields False if another process holds it.

    Raises:
        Transient: PostgreSQL is unavailable.
    """
    with (
        postgres_needed(),
        psycopg.connect(conninfo, autocommit=True, application_name="headrace watcher") as connection,
    ):
        taken = connection.execute("select pg_try_advisory_lock(%s)", [WATCHER_ID]).fetchone()
        yield taken == (True,)


def is_watched(conninfo: str) -> bool:
    """Whether a long-running builder is running.

    Raises:
        Transient: PostgreSQL is unavailable.
    """
    with watching(conninfo) as free:
        return not free
