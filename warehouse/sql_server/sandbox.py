"""Landlock: a worker process irrevocably drops access to the network and to all files but those it names.

Calls the kernel by `ctypes`, for want of a maintained library: https://docs.kernel.org/userspace-api/landlock.html.
The numbers of the system calls are the same on every architecture.
"""

import ctypes
import os
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_GET_VERSION = 1
_RULE_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All file rights that each version of the interface supports, by the first version that has them."""
_NETWORK_RIGHTS = {4: 0b11}
_SCOPES = {6: 0b11}
"""No abstract sockets and no signals to processes outside."""


class _Ruleset(ctypes.Structure):
    _fields_ = [("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64)]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"  # required beside `_pack_` from Python 3.19 on
    _fields_ = [("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def version() -> int:
    """The Landlock version of the kernel; 0 if it has none."""
    if sys.platform != "linux":
        return 0
    return max(0, _call(_CREATE_RULESET, None, 0, _GET_VERSION))


def confine(readable: Iterable[Path]) -> bool:
    """Restrict this process, and every thread it starts from now on, to reading these files and folders.

    Returns whether the restriction is active: False if the kernel has no Landlock. Call it before starting threads.

    Raises:
        OSError: the kernel has Landlock but rejects the call.
    """
    known = version()
    if not known:
        return False
    rules = _Ruleset(_of(_FILE_RIGHTS, known), _of(_NETWORK_RIGHTS, known), _of(_SCOPES, known))
    ruleset = _checked(_call(_CREATE_RULESET, ctypes.byref(rules), ctypes.sizeof(rules), 0))
    try:
        for path in readable:
            _allow(ruleset, path)
        _checked(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(_call(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)
    return True


def _allow(ruleset: int, path: Path) -> None:
    try:
        # The descriptor stays open: a rule refers to an inode, and unused inodes of /proc are recreated.
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    rights = _READ_FILE | _READ_FOLDER if path.is_dir() else _READ_FILE
    _checked(_call(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(_PathBeneath(rights, descriptor)), 0))


def _of(rights: dict[int, int], known: int) -> int:
    return max((value for since, value in rights.items() if since <= known), default=0)


def _call(number: int, *arguments: object) -> int:
    return int(ctypes.CDLL(None, use_errno=True).syscall(ctypes.c_long(number), *arguments))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
