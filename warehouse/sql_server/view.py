"""The folder that workers may read: a hard link to the published file, and nothing else.

A build replaces the published file, so access to the file itself would not last, and its folder holds the stack's
secrets.
"""

import os
import shutil
import uuid
from pathlib import Path

FOLDER = "serving"


class View:
    """The published file, linked into a folder of its own."""

    def __init__(self, published: Path) -> None:
        self._published = published
        self.folder = published.parent / FOLDER
        self._file = self.folder / published.name

    def prepare(self) -> None:
        """Create the folder, or empty it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in self.folder.iterdir():
            left.unlink()

    def current(self) -> Path:
        """The path of the latest published file.

        Raises:
            FileNotFoundError: nothing has been published yet.
        """
        if not _same(self._published, self._file):
            aside = self.folder / uuid.uuid4().hex
            try:
                _link(self._published, aside)
                aside.replace(self._file)
            finally:
                # Renaming one link of a file to another link of it does nothing, so the temporary one is removed.
                aside.unlink(missing_ok=True)
        return self._file

    def clear(self) -> None:
        """Remove the link, so that an outdated file does not take disk space."""
        self._file.unlink(missing_ok=True)


def _same(published: Path, seen: Path) -> bool:
    found = published.stat()
    try:
        return (found.st_dev, found.st_ino) == ((ours := seen.stat()).st_dev, ours.st_ino)
    except FileNotFoundError:
        return False


def _link(published: Path, aside: Path) -> None:
    try:
        os.link(published, aside)
    except FileNotFoundError:  # before the first build
        raise
    except OSError:
        # A file system without hard links. A copy never equals the published file, so each query makes one.
        shutil.copyfile(published, aside)
