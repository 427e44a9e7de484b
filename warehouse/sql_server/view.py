"""The folder that answering processes may read: the published file under a second name, and nothing else.

A build puts a new file in the place of the old one, so no right to the file itself would last, and its folder holds
the stack's secrets.
"""

import os
import shutil
import uuid
from pathlib import Path

FOLDER = "serving"


class View:
    """The published file, in a folder of its own beside it."""

    def __init__(self, published: Path) -> None:
        self._published = published
        self.folder = published.parent / FOLDER
        self._file = self.folder / published.name

    def prepare(self) -> None:
        """Make the folder, empty."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in self.folder.iterdir():
            left.unlink()

    def current(self) -> Path:
        """The file as it was published last.

        Raises:
            FileNotFoundError: none was.
        """
        if not _same(self._published, self._file):
            aside = self.folder / uuid.uuid4().hex
            try:
                _link(self._published, aside)
                aside.replace(self._file)
            finally:
                # Two names of one file are not replaced by each other.
                aside.unlink(missing_ok=True)
        return self._file

    def clear(self) -> None:
        """Keep no outdated file while nobody asks."""
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
        # A file system without links. The copy is never taken for the file, so it is made for each question.
        shutil.copyfile(published, aside)
