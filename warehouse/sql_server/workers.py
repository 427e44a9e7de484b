"""The pool of worker processes: started on demand, killed when a query takes too long."""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from headrace.warehouse.sql_server.worker import LENGTH_BYTES, READY, Header, Question

IDLE_SECONDS = 60.0
"""How long an idle process is kept."""
QUEUE_SECONDS = 10.0
START_SECONDS = 60.0

log = structlog.get_logger(part="serve")


class Busy(Exception):  # noqa: N818  an outcome
    """All processes were busy for `QUEUE_SECONDS`."""


class TooSlow(Exception):  # noqa: N818  an outcome
    """The query took too long, and its process was killed."""


class Died(Exception):  # noqa: N818  an outcome
    """The process ended during the query."""


@dataclass(frozen=True)
class Limits:
    """The limits of one query."""

    seconds: float
    memory_mb: int


class Workers:
    """At most `most` processes, each answering one query at a time, on files in one folder."""

    def __init__(self, limits: Limits, most: int, folder: Path) -> None:
        self.limits = limits
        self._folder = folder
        self._slots = asyncio.Semaphore(most)
        self._idle: list[tuple[Process, asyncio.TimerHandle]] = []
        self._alive: set[Process] = set()
        self._ending: asyncio.Task[None] | None = None  # a task without a reference may be garbage-collected

    async def ask(self, question: Question) -> tuple[Header, bytes]:
        """Answer a query.

        Raises:
            Busy, TooSlow, Died: there is no answer; the next query is not affected.
        """
        try:
            await asyncio.wait_for(self._slots.acquire(), QUEUE_SECONDS)
        except TimeoutError as error:
            raise Busy from error
        try:
            try:
                process = await self._take()
            except (TimeoutError, asyncio.IncompleteReadError, ConnectionError) as error:
                raise Died from error
            try:
                answer = await asyncio.wait_for(_answered(process, question), self.limits.seconds)
            except TimeoutError as error:
                raise TooSlow from error
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                raise Died from error
            else:
                self._put_back(process)
                return answer
            finally:
                if all(process is not idle for idle, _ in self._idle):
                    await self._end(process)
        finally:
            self._slots.release()

    async def close(self) -> None:
        """Kill all processes."""
        for _, timer in self._idle:
            timer.cancel()
        self._idle.clear()
        for process in list(self._alive):
            await self._end(process)

    async def _take(self) -> Process:
        while self._idle:
            process, timer = self._idle.pop()
            timer.cancel()
            if process.returncode is None:
                return process
            await self._end(process)
        # The worker does not inherit the environment, which has the stack's secrets and settings.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "headrace.warehouse.sql_server.worker"),
            *(str(self.limits.memory_mb), str(self._folder)),
            stdin=PIPE,
            stdout=PIPE,
            env={name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ},
            limit=2**20,
        )
        self._alive.add(process)
        if process.stdout is None or await asyncio.wait_for(_part(process.stdout), START_SECONDS) != READY:
            raise ConnectionError("the process did not report that it is ready")
        return process

    def _put_back(self, process: Process) -> None:
        def end() -> None:
            self._idle[:] = [idle for idle in self._idle if idle[0] is not process]
            self._ending = asyncio.create_task(self._end(process))

        self._idle.append((process, asyncio.get_running_loop().call_later(IDLE_SECONDS, end)))

    async def _end(self, process: Process) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        self._alive.discard(process)


async def _answered(process: Process, question: Question) -> tuple[Header, bytes]:
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise ConnectionError("the process has no pipes")
    stdin.write(msgspec.json.encode(question) + b"\n")
    await stdin.drain()
    header = msgspec.json.decode(await _part(stdout), type=Header)
    return header, await _part(stdout)


async def _part(source: asyncio.StreamReader) -> bytes:
    length = int.from_bytes(await source.readexactly(LENGTH_BYTES))
    return await source.readexactly(length)
