"""Dagster's webserver behind the stack's door (`guard`): a token or a session for everything, websockets too."""

from argparse import ArgumentParser

import uvicorn

from headrace.contracts.settings import Settings
from headrace.guard.asgi import Guard
from headrace.guard.connections import bounded
from headrace.guard.doors import dagster_door
from headrace.orchestration.instance.config import workspace_file
from headrace.orchestration.instance.internals import web_application


def main() -> None:
    """Serve until a signal ends it."""
    arguments = ArgumentParser()
    arguments.add_argument("--host", required=True)
    arguments.add_argument("--port", type=int, required=True)
    given, settings = arguments.parse_args(), Settings()
    with web_application(workspace_file(settings)) as app:
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
