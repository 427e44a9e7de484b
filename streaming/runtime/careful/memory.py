"""Ends a process that uses too much memory, so that its next start reads carefully.

librdkafka decompresses gzip, lz4 and snappy without a size limit: 12 kB may become 12 MB, 1 MB a gigabyte, and a fetch
has many batches. This cannot be detected beforehand. After the restart, the careful reader reads the uncommitted
records again; it decompresses up to a limit and sets apart larger batches.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from headrace.contracts.exit_codes import ExitCode
from headrace.streaming.runtime import logs

LOOK_SECONDS = 0.05
CAREFUL_BYTES = 48 << 20
"""Stored bytes per partition that are read carefully after such an exit: more than a process reads uncommitted."""

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Resident memory of this process; 0 if the system does not report it (not Linux)."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


class MemoryGuard:
    """Watches this process. The file `marker` signals to the next process that this one exceeded its memory limit."""

    def __init__(
        self,
        marker: Path,
        limit_bytes: int,
        *,
        end: Callable[[int], object] = os._exit,
        used: Callable[[], int] = resident_bytes,
    ) -> None:
        self._marker = marker
        self._limit = limit_bytes
        self._end = end
        self._used = used

    def start(self) -> bool:
        """Start watching; returns whether the previous process exceeded its memory limit."""
        was_full = self._marker.exists()
        self._marker.unlink(missing_ok=True)
        threading.Thread(target=self._watch, name="memory", daemon=True).start()
        return was_full

    def _watch(self) -> None:
        while (used := self._used()) < self._limit:
            time.sleep(LOOK_SECONDS)
        self._marker.parent.mkdir(parents=True, exist_ok=True)
        self._marker.touch()
        logs.logger(part="memory").error(
            "too much memory: the next start reads carefully", bytes=used, limit=self._limit
        )
        self._end(ExitCode.RESTART)
