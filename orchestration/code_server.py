"""Dagster's code server, whose runs are forks of a process that has imported what they need.

Dagster's own starts an interpreter for each run, which imports for longer (7 s of processor time) than a build takes.
The process that is forked does nothing but import: its libraries' idle threads hold no locks that a fork could miss.
"""

import multiprocessing
from typing import Any

from dagster._cli import main
from dagster._grpc import server

PRELOADED = ["orchestration.definitions", "dagster_postgres"]


class CodeServer(server.DagsterApiServer):
    """Starts its runs by a fork server: the first run waits for the imports, later ones do not."""

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self._mp_ctx = multiprocessing.get_context("forkserver")
        self._mp_ctx.set_forkserver_preload(PRELOADED)


if __name__ == "__main__":
    server.DagsterApiServer = CodeServer
    main()
