"""Unix sockets of the stack: in folders that only the stack's account can access, with paths that are short enough."""

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings

MOST_SOCKET_BYTES = 92
"""Linux allows 107 bytes, macOS 103; supervisord first binds to a name with a dot and its process id appended."""


def socket_path(settings: Settings, path: Path) -> Path:
    """The path of a socket; if it is too long, a path with the same name in a temporary folder."""
    if len(os.fsencode(path)) <= MOST_SOCKET_BYTES:
        return path
    name = hashlib.sha256(os.fsencode(settings.root)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"headrace-{os.getuid()}-{name}" / path.name


def make_private(folder: Path) -> None:
    """Create the folder with access only for its owner.

    Raises:
        Terminal: it exists and belongs to another account.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not is_own(folder):
        raise Terminal(f"{folder} belongs to another account.", remedy="Remove it, or choose another HEADRACE_HOME.")
    folder.chmod(0o700)


def is_own(folder: Path) -> bool:
    """Whether the folder exists and belongs to this account, so that no other account can have put a socket into it."""
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
