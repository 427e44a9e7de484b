"""Every use of Dagster's private names and attributes, which may change in any release.

They were checked against Dagster `READ_FROM`. A test fails if another version is installed, so that each use is checked
again, and if any other module has such a use.
"""

import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster import AssetCheckKey, DagsterInstance
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._serdes import ConfigurableClassData
from dagster._utils.log import configure_loggers
from dagster_postgres import (
    DagsterPostgresStorage,
    PostgresEventLogStorage,
    PostgresRunStorage,
    PostgresScheduleStorage,
)
from dagster_postgres.utils import create_pg_engine

if TYPE_CHECKING:
    from starlette.applications import Starlette

READ_FROM = "1.13.27"
"""The version of Dagster that the uses were checked against."""
LOG_LEVEL = "WARNING"
LIVE_DATA_POLL_MS = 2_000
CONNECTION_AGE_SECONDS = 3_600


class _Pooled:
    """Keeps one connection open and tests it before each use; opens more while they are needed."""

    def __init__(self, postgres_url: str, **more: Any) -> None:
        super().__init__(postgres_url, **more)  # pyright: ignore[reportCallIssue]  of the storage beside it
        self._engine = create_pg_engine(
            postgres_url,
            isolation_level="AUTOCOMMIT",
            pool_size=1,
            max_overflow=-1,
            pool_pre_ping=True,
            pool_recycle=CONNECTION_AGE_SECONDS,
        )

    def dispose(self) -> None:
        """Close the connections; an instance is made for each tick of a sensor."""
        super().dispose()  # pyright: ignore[reportAttributeAccessIssue]  as above
        self._engine.dispose()


class _RunStorage(_Pooled, PostgresRunStorage):
    pass


class _EventLogStorage(_Pooled, PostgresEventLogStorage):
    pass


class _ScheduleStorage(_Pooled, PostgresScheduleStorage):
    pass


class PooledStorage(DagsterPostgresStorage):
    """Dagster's storage in PostgreSQL, over pooled connections; named in `dagster.yaml`.

    Dagster opens a connection for each statement everywhere but in its web server. A build writes 600 events, each in
    several statements: 15 ms per event with a connection for each statement, 1 ms with a pooled one.
    """

    def __init__(self, postgres_url: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(postgres_url, inst_data=inst_data)
        self._run_storage = _RunStorage(postgres_url, should_autocreate_tables=False)
        self._event_log_storage = _EventLogStorage(postgres_url, should_autocreate_tables=False)
        self._schedule_storage = _ScheduleStorage(postgres_url, should_autocreate_tables=False)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> "PooledStorage":
        """The storage of an instance; `config_value` has `postgres_url`."""
        return cls(config_value["postgres_url"], inst_data)


def serve_code(preloaded: Sequence[str]) -> None:
    """Run Dagster's command line with code servers that fork their runs from a process that imported `preloaded`."""
    from dagster._cli import main
    from dagster._grpc import server

    class ForkingServer(server.DagsterApiServer):
        def __init__(self, **named: Any) -> None:
            super().__init__(**named)
            self._mp_ctx = multiprocessing.get_context("forkserver")
            self._mp_ctx.set_forkserver_preload(list(preloaded))

    server.DagsterApiServer = ForkingServer
    main()


@contextmanager
def web_application(workspace: Path) -> Iterator["Starlette"]:
    """Dagster's web application over the code servers that a workspace file names."""
    from dagster_webserver.cli import (
        DEFAULT_DB_STATEMENT_TIMEOUT,
        DEFAULT_POOL_MAX_OVERFLOW,
        DEFAULT_POOL_RECYCLE,
    )
    from dagster_webserver.webserver import DagsterWebserver

    configure_loggers(log_level=LOG_LEVEL)
    with DagsterInstance.get() as instance:
        instance.optimize_for_webserver(DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_RECYCLE, DEFAULT_POOL_MAX_OVERFLOW)
        target = WorkspaceFileTarget(paths=[str(workspace)])
        with WorkspaceProcessContext(
            instance, workspace_load_target=target, code_server_log_level=LOG_LEVEL
        ) as context:
            yield DagsterWebserver(context, live_data_poll_rate=LIVE_DATA_POLL_MS).create_asgi_app()


def failed_at(instance: DagsterInstance, check: AssetCheckKey) -> float | None:
    """When a check last ran (seconds since 1970), if it failed then. None where it passed or never ran."""
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([check]).get(check)
    has_failed = record is not None and record.status is AssetCheckExecutionRecordStatus.FAILED
    return record.create_timestamp if record is not None and has_failed else None
