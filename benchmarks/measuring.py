"""Shared by the benchmarks: runs in separate processes, memory, and a stack during a measurement."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from headrace.contracts.settings import Settings

T = TypeVar("T")


def memory_mb(field: str = "VmHWM") -> float:
    """Resident memory of this process: the peak (`VmHWM`), or the current size (`VmRSS`)."""
    # Not getrusage: its maximum outlives exec, so a child would report its parent's.
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024


def in_child(function: Callable[..., T], *arguments: Any) -> T:
    """Run in a separate process, so that memory and librdkafka's threads are measured separately."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


@contextmanager
def servers(given: Settings, *parts: str) -> Iterator[Settings]:
    """The caller's own servers where `HEADRACE_KAFKA_BOOTSTRAP` and so on name them, else a stack of these parts."""
    if given.kafka_bootstrap and (given.postgres_conninfo or "postgres" not in parts):
        yield given
        return
    from headrace import stack

    with TemporaryDirectory(prefix="hr-bench-") as home:
        settings = given.model_copy(update={"home": Path(home), "port_base": given.port_base + 700})
        try:
            stack.up(settings, parts=set(parts))  # pyright: ignore[reportArgumentType]  names of parts
            yield settings
        finally:
            stack.down(settings)
