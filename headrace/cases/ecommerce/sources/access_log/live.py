"""The live access-log source: follows many files, through rotation by rename, by copy-truncate and by gzip.

Position: the known logs (`logs.Log`), the one read last at the end. Files are searched for again at every start.
"""

import glob
import os
import stat
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import msgspec

from headrace.cases.ecommerce.sources.access_log.lines import SOURCE, TOPIC, LineParser
from headrace.cases.ecommerce.sources.access_log.logs import Compressed, Content, Likeness, Log, Plain, digest, heads_of
from headrace.cases.ecommerce.sources.access_log.opening import check_format, maker
from headrace.cases.ecommerce.sources.access_log.signature import load_pixel_key
from headrace.cases.ecommerce.sources.access_log.workers import Workers
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.streaming.runtime import logs as log_lines
from headrace.streaming.sources.files import LineSplitter, OversizedLine, Piece
from headrace.streaming.sources.live.source import Batch
from headrace.streaming.sources.unpacking import CHUNK_BYTES, HEAD_BYTES, UTF_16, packing_of

SCAN_SECONDS = 0.5
IDLE_SECONDS = 0.1
SETTLE_SECONDS = 30.0
"""A last line without a newline is accepted once its file has not changed for this long."""
LEFT_SECONDS = 60.0
REMEMBERED_LOGS = 500
"""Maximum logs in a position; the least recently read ones are removed first."""

FileId = tuple[int, int]
"""Device and inode."""
Look = tuple[int, int]
"""Size and time of change, as last seen."""


@dataclass
class Following:
    """A file that is followed. `log` is None until its first line is complete."""

    path: Path
    content: Plain
    log: Log | None
    splitter: LineSplitter = field(init=False)

    def __post_init__(self) -> None:
        self.splitter = splitter_from(self.log)


def splitter_from(log: Log | None) -> LineSplitter:
    """Splits the rest of a log, after what was read, into lines."""
    if log is None:
        return LineSplitter()
    return LineSplitter(fingerprint=log.fingerprint, offset=log.offset, number=log.number)


class AccessLogs:
    """All files that the patterns match."""

    name: ClassVar[str] = SOURCE
    topics: ClassVar[tuple[str, ...]] = (TOPIC,)

    def __init__(
        self,
        patterns: list[str],
        parser: LineParser | Workers,
        *,
        clock: Callable[[], float] = time.time,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self._patterns = patterns
        self._parser = parser
        self._clock = clock
        self._settle_seconds = settle_seconds
        self._known: list[Log] = []
        self._following: dict[FileId, Following] = {}
        # Files with nothing to read (copies, finished archives), with their state when that was detected.
        self._idle: dict[FileId, Look] = {}
        # Files that were truncated or rewritten: their content is new, even if it resembles a known log.
        self._rewritten: set[FileId] = set()
        self._skipped: set[FileId] = set()
        # Files that look like a followed one and are longer; seen once so far.
        self._longer: set[FileId] = set()
        self._log = log_lines.logger(part="source", source=SOURCE)

    @property
    def stream(self) -> str:
        return "files"

    def read(self, position: Any) -> Iterator[Batch]:
        self._known = msgspec.convert(position or [], list[Log])
        scanned = float("-inf")
        while True:
            if (now := self._clock()) - scanned >= SCAN_SECONDS:
                scanned = now
                yield from self._scan()
            progress = False
            for file_id, following in list(self._following.items()):
                for batch in self._follow(file_id, following):
                    progress = True
                    yield batch
            if not progress:
                time.sleep(IDLE_SECONDS)

    # --- finding files --------------------------------------------------------------------------------------------

    def _scan(self) -> Iterator[Batch]:
        """Look for new and renamed files, oldest first; archives are read at once."""
        found = {path for pattern in self._patterns for path in glob.iglob(pattern, recursive=True)}  # noqa: PTH207  absolute ones, too
        files = sorted(
            (look.st_mtime_ns, path, look) for path in found if (look := _regular(path)) is not None and look.st_size
        )
        present: set[FileId] = set()
        for _, path, look in files:
            file_id = (look.st_dev, look.st_ino)
            if file_id in present:
                continue
            present.add(file_id)
            if file_id in self._following:
                self._following[file_id].path = Path(path)
            elif self._idle.get(file_id) != (look.st_size, look.st_mtime_ns):
                yield from self._meet(file_id, Path(path), (look.st_size, look.st_mtime_ns))
        for file_id in self._following.keys() - present:
            self._leave(file_id)

    def _meet(self, file_id: FileId, path: Path, look: Look) -> Iterator[Batch]:
        """Identify a file's content."""
        try:
            handle = path.open("rb")
        except FileNotFoundError:
            return
        except OSError as error:
            self._log.warning("file cannot be read", path=str(path), error=error.strerror)
            self._idle[file_id] = look
            return
        opened = os.fstat(handle.fileno())
        if (opened.st_dev, opened.st_ino) != file_id:
            # Another file has this name now; the next search identifies it.
            handle.close()
            return
        if (packing := packing_of(handle.peek(HEAD_BYTES)[:HEAD_BYTES])) is not None:
            # Complete or damaged, it has nothing more until it changes.
            self._idle[file_id] = look
            with handle:
                if packing == UTF_16:
                    self._skip_utf_16(file_id, path)
                else:
                    yield from self._archive(handle, path)
            return
        content = Plain(handle)
        log, likeness = (None, "other") if file_id in self._rewritten else self._recognize(content)
        followed = next((each for each in self._following.values() if log is not None and each.log == log), None)
        if followed is not None and content.size > followed.content.size:
            if file_id not in self._longer:
                # A copy is at most as long as its original, unless that was truncated just now: look again.
                self._longer.add(file_id)
                handle.close()
                return
            log, followed = None, None
        if followed is not None or likeness == "shorter":
            handle.close()
            self._idle[file_id] = look
            return
        self._rewritten.discard(file_id)
        self._longer.discard(file_id)
        self._following[file_id] = Following(path, content, log)
        self._log.info("following", path=str(path), offset=log.offset if log else 0)

    def _skip_utf_16(self, file_id: FileId, path: Path) -> None:
        """Skip a file in UTF-16: it may still grow, and could only be read from its beginning each time."""
        if file_id not in self._skipped:
            self._skipped.add(file_id)
            self._log.warning(
                "file is not read", path=str(path), reason="it is in UTF-16: ingest it as a file, or convert it"
            )

    def _recognize(self, content: Content) -> tuple[Log | None, Likeness]:
        """The log that a file holds, or that it is an older copy of; None for a new log."""
        found: dict[Likeness, Log] = {}
        for log in self._known:
            likeness = content.likeness(log)
            if likeness not in found or found[likeness].offset < log.offset:
                found[likeness] = log
        for likeness in ("same", "shorter"):
            if likeness in found:
                return found[likeness], likeness
        return None, "other"

    def _archive(self, handle: BinaryIO, path: Path) -> Iterator[Batch]:
        """Read what an archive holds beyond what was read of its log."""
        content = Compressed(handle, path)
        try:
            log, likeness = self._recognize(content)
            if likeness == "shorter" or any(each.log == log for each in self._following.values() if log is not None):
                return
            splitter = splitter_from(log)
            for chunk in content.chunks(splitter.fed):
                log = yield from self._advance(path, splitter.feed(chunk), splitter, content.head, log)
            if (end := splitter.fed) > splitter.offset:
                yield from self._advance(path, splitter.finish(), splitter, content.head, log, end)
        except Terminal as error:
            self._log.warning("archive not read to its end", path=str(path), reason=error.message)

    # --- reading --------------------------------------------------------------------------------------------------

    def _follow(self, file_id: FileId, following: Following) -> Iterator[Batch]:
        """Read a chunk of a file, if it has grown."""
        content, splitter = following.content, following.splitter
        size = content.size
        if size < splitter.fed or (following.log is not None and not content.still_holds(following.log)):
            self._log.info("file was rewritten", path=str(following.path), size=size)
            self._drop(file_id)
            self._rewritten.add(file_id)
            return
        if chunk := content.read(splitter.fed, CHUNK_BYTES):
            following.log = yield from self._advance(
                following.path, splitter.feed(chunk), splitter, content.head, following.log
            )
        elif (end := splitter.fed) > splitter.offset and self._is_quiet(content, self._settle_seconds):
            following.log = yield from self._advance(
                following.path, splitter.finish(), splitter, content.head, following.log, end
            )
            following.splitter = splitter_from(following.log)

    def _advance(
        self,
        path: Path,
        pieces: Iterable[Piece],
        splitter: LineSplitter,
        head: bytes,
        before: Log | None,
        end: int | None = None,
    ) -> Generator[Batch, None, Log | None]:
        """Yield what was read, and return how far the log is read. `end` is where an incomplete last line ends."""
        read = list(pieces)
        if not read:
            return before
        outcomes = self._parser.outcomes(read)
        last = read[-1]
        line = b"" if isinstance(last, OversizedLine) else last.last_line + (b"" if end is not None else b"\n")
        offset = splitter.offset if end is None else end
        log = Log(splitter.fingerprint or "", offset, splitter.number, heads_of(head, offset), digest(line), len(line))
        self._known = [*[each for each in self._known if each != before][1 - REMEMBERED_LOGS :], log]
        yield Batch(outcomes if isinstance(outcomes, Sequence) else list(outcomes), self._known, str(path))
        return log

    def _is_quiet(self, content: Plain, seconds: float) -> bool:
        return self._clock() - content.changed_at > seconds

    def _leave(self, file_id: FileId) -> None:
        """No name matches the file any more. Its writer may still write to it for a while."""
        if self._is_quiet(self._following[file_id].content, LEFT_SECONDS):
            self._drop(file_id)

    def _drop(self, file_id: FileId) -> None:
        self._following.pop(file_id).content.close()
        # A former copy of a followed file may be the only one now.
        self._idle.clear()


def _regular(path: str) -> os.stat_result | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def check(settings: Settings) -> None:
    """Check the settings, and the format on the files that are there.

    Raises:
        Terminal: no paths, a format that is invalid or not that of the files, or a signing key that cannot be used.
    """
    if not settings.access_log_paths:
        raise Terminal("No access logs are named.", remedy="Set HEADRACE_ACCESS_LOG_PATHS to files or globs.")
    check_format(settings, _samples(_patterns(settings)))
    load_pixel_key(settings)


def open_sources(settings: Settings) -> list[AccessLogs]:
    """The source, configured by the settings. Raises the errors of `check`."""
    check(settings)
    return [AccessLogs(_patterns(settings), Workers(maker(settings)))]


def _patterns(settings: Settings) -> list[str]:
    return [str(path) for path in settings.access_log_paths]


def _samples(patterns: list[str]) -> list[Path]:
    found = {path for pattern in patterns for path in glob.iglob(pattern, recursive=True)}  # noqa: PTH207  absolute ones, too
    looks = ((look.st_mtime_ns, path) for path in found if (look := _regular(path)) is not None and look.st_size)
    return [Path(path) for _, path in sorted(looks, reverse=True)]
