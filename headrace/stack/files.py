"""Writing the stack's own files: atomically, and readable only by their owner."""

import os
import stat
from pathlib import Path

from headrace.contracts.errors import Terminal
from headrace.guard.tokens import stored_token
from headrace.home import is_home

PRIVATE = 0o600
PRIVATE_FOLDER = 0o700
PRIVATE_UMASK = _OTHERS = 0o077
"""For everything written below a home."""


def write_file(path: Path, text: str) -> None:
    """Replace the file `path` with `text` atomically. Only its owner can read the file, at any time."""
    make_folder(path.parent)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def make_folder(folder: Path) -> None:
    """Create the folder and missing parents, accessible only by their owner."""
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        missing.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def make_private(home: Path) -> None:
    """Create the home, or remove the permissions of other accounts from an existing one.

    Raises:
        Terminal: the folder has files that are not a stack's, whose permissions are not changed.
    """
    make_folder(home)
    if not _is_open(home):
        return
    if any(home.iterdir()) and not is_home(home):
        raise Terminal(
            f"Other accounts may read the folder {home}, which has files that are not a stack's.",
            remedy=f"Name an empty folder with HEADRACE_HOME, or run `chmod 700 {home}`.",
        )
    for path in home.rglob("*"):
        if not path.is_symlink() and _is_open(path):
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)
    # The home last, so that a private home is known to be complete.
    home.chmod(PRIVATE_FOLDER)


def _is_open(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & _OTHERS)


def secret(folder: Path, name: str) -> str:
    """The generated secret `name`, created at first use and stored in `folder`. Raises the errors of `stored_token`."""
    make_folder(folder)
    return stored_token(folder / name)
