"""Settings of the Python process itself that a streaming process wants, measured by `make bench-landing`."""

import ctypes
import gc
import os
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_NEVER, _TOP_PAD_BYTES = 2**31 - 1, 64 * 2**20


def keep_memory() -> None:
    """Have the C library keep what a batch freed for the next batch; call first of all.

    Buffers of some megabytes are otherwise given back to the system after each batch and faulted in again, page by
    page, which took a sixth of all CPU time. Where the C library knows no `mallopt` (it is not glibc), nothing happens.

    Arrow takes its memory from there too: its own allocator keeps what the others could use, some 80 MB in a lander.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 2**30)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
        mallopt(_M_TOP_PAD, _TOP_PAD_BYTES)


def tune() -> None:
    """Call in a process that only streams, once everything is imported and before the first record.

    The cyclic garbage collector runs for every few hundred new objects and walks all that live; with hundreds of
    thousands of records a second that took half of the main thread. Records make no cycles: it may run seldom, and
    need not look at what was imported.

    Two threads that both call into native code hand the interpreter's lock back and forth: waiting 5 ms for it each
    time, Python's default, leaves both idle.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    sys.setswitchinterval(0.0005)
