"""Tuning of the Python process for streaming, measured by `make bench-landing`."""

import ctypes
import gc
import os
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_NEVER, _TOP_PAD_BYTES = 2**31 - 1, 64 * 2**20


def keep_memory() -> None:
    """Have the C library keep freed memory for the next batch; call before anything else.

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
    """Tune a streaming process. Call once everything is imported and before the first record.

    The cyclic garbage collector runs every few hundred new objects and traverses all live objects; with hundreds of
    thousands of records per second, that took half of the main thread. Records form no cycles, so it can run rarely and
    skip imported objects.

    Two threads that call native code pass the GIL back and forth; with Python's default switch interval of 5 ms, both
    are idle most of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    sys.setswitchinterval(0.0005)
