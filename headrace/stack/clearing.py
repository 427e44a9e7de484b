"""Deletes the data of a stopped stack. Its secrets stay, so that passwords, tokens and pseudonyms remain the same.

    1. write the marker
    2. delete each folder and file
    3. delete the marker

If it is killed after step 1, the next command that locks the home continues with step 2, before any program starts. So
no program finds half of the data.
"""

import os
import shutil
from pathlib import Path

from headrace.stack.files import write_file

MARKER = "reset"
DATA = (
    *("kafka", "connect", "contracts", "landing", "lake", "warehouse.duckdb", "frames", "models", "state"),
    *("dagster", "spill", "postgres", "postgres.new", "postgres-for-calls", "sql_history", "logs"),
)
"""Everything else in a home is a secret, a lock or written again at each start."""


def clear(root: Path) -> None:
    """Delete the data below `root`."""
    # 1. From here on, it will be done.
    write_file(root / MARKER, "")
    _sync(root)
    finish(root)


def finish(root: Path) -> None:
    """Complete a `clear` that was killed; does nothing if there is none."""
    if not (root / MARKER).exists():
        return
    # 2. The data.
    for name in DATA:
        _delete(root / name)
    _sync(root)
    # 3. Done.
    (root / MARKER).unlink()


def _delete(path: Path) -> None:
    """Delete a file or folder. Of a link to another disk, the folder's contents."""
    if path.is_symlink() and path.is_dir():
        for inner in path.iterdir():
            _delete(inner)
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
