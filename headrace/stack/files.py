"""Writing the stack's own files: whole or not at all, and for their owner only."""

import os
import stat
from pathlib import Path

from contracts.errors import Terminal
from guard.tokens import stored_token

PRIVATE = 0o600
PRIVATE_FOLDER = 0o700
PRIVATE_UMASK = _OTHERS = 0o077
"""For everything that writes below a home."""


def write_file(path: Path, text: str) -> None:
    """Put `text` in the place of `path` in one step. The file is never readable by anybody but its owner."""
    make_folder(path.parent)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def make_folder(folder: Path) -> None:
    """Make the folder, and those above it that are missing, for their owner only."""
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        missing.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def make_private(home: Path) -> None:
    """Make the home, or take from one of before all that other accounts may do with what is in it.

    Raises:
        Terminal: the folder has files that are not a stack's, whose permissions are none of our business.
    """
    make_folder(home)
    if not _is_open(home):
        return
    if any(home.iterdir()) and not (home / "stack.lock").exists():
        raise Terminal(
            f"Other accounts may look into the folder {home}, which has files that are not a stack's.",
            remedy=f"Name an empty folder with HEADRACE_HOME, or run `chmod 700 {home}`.",
        )
    for path in home.rglob("*"):
        if not path.is_symlink() and _is_open(path):
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)
    # The home last: one that is private already was finished.
    home.chmod(PRIVATE_FOLDER)


def _is_open(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & _OTHERS)


def secret(folder: Path, name: str) -> str:
    """The generated secret of that name, made at its first use and kept in `folder`. Raises as `stored_token` does."""
    make_folder(folder)
    return stored_token(folder / name)
