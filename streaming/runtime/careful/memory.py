"""Ends a process that takes too much memory, so that its next start reads carefully.

librdkafka inflates gzip, lz4 and snappy to whatever size they have: 12 kB may be 12 MB, 1 MB a gigabyte, and a fetch
holds many batches. Nothing of it can be seen before. What was read and not committed is read again after the start, by
the careful reader, which inflates within a limit and sets apart what is larger.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from streaming.runtime import logs

EXIT_CODE = 75
"""EX_TEMPFAIL of sysexits: trying again, in a new process, may help."""
LOOK_SECONDS = 0.05
CAREFUL_BYTES = 48 << 20
"""Stored bytes of each partition that are read carefully after such an end: more than is read and not committed."""

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Memory of this process that is in RAM; 0 where the system does not say so (it is not Linux)."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE_BYTES
    except OSError:
        return 0


class MemoryGuard:
    """Watches this process. `marker` is a file that says to the next process that this one ended for its memory."""

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
        """Begin to watch; whether the process before this one ended for its memory."""
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
        self._end(EXIT_CODE)
