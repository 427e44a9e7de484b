"""The memory of a program and its processes."""

import psutil


def memory_bytes(pid: int, *, with_children: bool = True) -> int:
    """Proportional set size of a process and its descendants; resident set size where that is not available."""
    try:
        process = psutil.Process(pid)
        family = [process, *(process.children(recursive=True) if with_children else [])]
    except psutil.NoSuchProcess:
        return 0
    return sum(_own_memory_bytes(member) for member in family)


def _own_memory_bytes(process: psutil.Process) -> int:
    try:
        memory = process.memory_full_info()
    except psutil.NoSuchProcess:
        return 0
    except psutil.AccessDenied:
        return process.memory_info().rss
    return getattr(memory, "pss", memory.rss)
