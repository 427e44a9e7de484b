"""Dagster's webserver behind the stack's door (`guard`): a token or a session for everything, websockets too."""

from argparse import ArgumentParser

import uvicorn
from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._utils.log import configure_loggers
from dagster_webserver.cli import (
    DEFAULT_DB_STATEMENT_TIMEOUT,
    DEFAULT_POOL_MAX_OVERFLOW,
    DEFAULT_POOL_RECYCLE,
)
from dagster_webserver.webserver import DagsterWebserver

from contracts.settings import Settings
from guard.asgi import Guard
from guard.connections import bounded
from guard.doors import dagster_door
from orchestration.instance import workspace_file

LIVE_DATA_POLL_MS = 2_000


def main() -> None:
    """Serve until a signal ends it."""
    arguments = ArgumentParser()
    arguments.add_argument("--host", required=True)
    arguments.add_argument("--port", type=int, required=True)
    given, settings = arguments.parse_args(), Settings()
    configure_loggers(log_level="WARNING")
    with DagsterInstance.get() as instance:
        instance.optimize_for_webserver(DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_RECYCLE, DEFAULT_POOL_MAX_OVERFLOW)
        target = WorkspaceFileTarget(paths=[str(workspace_file(settings))])
        with WorkspaceProcessContext(
            instance, workspace_load_target=target, code_server_log_level="WARNING"
        ) as context:
            app = DagsterWebserver(context, live_data_poll_rate=LIVE_DATA_POLL_MS).create_asgi_app()
            uvicorn.run(
                Guard(app, dagster_door(settings)),
                host=given.host,
                port=given.port,
                log_level="warning",
                access_log=False,
                **bounded(),
            )


if __name__ == "__main__":
    main()
