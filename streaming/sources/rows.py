"""Rows of a CSV file, plain or gzip, each with the very bytes it was read from."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator

from msgspec import Struct

from contracts.errors import Terminal
from streaming.sources.files import MAX_LINE_BYTES, OversizedLine, Piece, numbered_lines, without_byte_order_mark

MOST_READINGS = 8
"""A line is read so often as a later line of rows that then prove to be none: rows in quotes that never end."""

csv.field_size_limit(MAX_LINE_BYTES)  # of a field, for the whole process: no record is longer, and 131,072 is too few

_Line = tuple[int, bytes] | OversizedLine


class Row(Struct, frozen=True, gc=False):
    """One row. `values` are by column name; a row with too few or too many says so in `error` and has none."""

    number: int
    raw: bytes
    values: dict[str, str]
    error: str | None = None
    size: int | None = None

    @property
    def is_blank(self) -> bool:
        return self.error is None and not self.raw.strip()


class _Lines(Iterator[str]):
    """Feeds `csv.reader`, and remembers the lines that each row took. A row may span several."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self._lines = numbered_lines(pieces)
        self._again: deque[tuple[_Line, int]] = deque()
        self._readings: list[int] = []
        self._bytes = 0
        self.taken: list[_Line] = []

    def __next__(self) -> str:
        item, readings = self._again.popleft() if self._again else (next(self._lines), 0)
        if self.taken and (readings >= MOST_READINGS or self._bytes + _size(item) > MAX_LINE_BYTES):
            self._again.appendleft((item, readings))
            raise csv.Error("a quotation mark that is not closed")
        self.taken.append(item)
        self._readings.append(readings)
        self._bytes += _size(item) + 1
        if isinstance(item, OversizedLine):
            raise csv.Error(f"line longer than {MAX_LINE_BYTES} bytes")
        return decode_text(item[1]) + "\n"

    def begin_row(self) -> None:
        """What is taken from now on is of the next row."""
        self._bytes = 0
        self._readings.clear()
        self.taken.clear()

    def read_again_from_second(self) -> None:
        """After a stray quote joined several rows: skip only the first line, and read the others again."""
        readings = (number + 1 for number in self._readings[1:])
        self._again.extendleft(reversed([*zip(self.taken[1:], readings, strict=True)]))
        del self.taken[1:]


def _size(line: _Line) -> int:
    return line.size if isinstance(line, OversizedLine) else len(line[1])


def decode_text(raw: bytes) -> str:
    """UTF-8, or Latin-1 where it is not."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def read_rows(pieces: Iterable[Piece]) -> tuple[list[str], Iterator[Row]]:
    """The header's column names, and the rows after it.

    Raises:
        Terminal: the file has no header.
    """
    lines = _Lines(without_byte_order_mark(pieces))
    reader = csv.reader(lines, strict=True)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise Terminal(f"The header cannot be read: {error}.", remedy="Give a CSV file with a header line.") from error
    columns = [name.strip() for name in header]
    if not any(columns):
        raise Terminal("The file is empty.", remedy="Give a CSV file with a header line.")
    return columns, _rows(lines, reader, columns)


def _rows(lines: _Lines, reader: Iterator[list[str]], columns: list[str]) -> Iterator[Row]:
    while True:
        lines.begin_row()
        error: str | None = None
        values: list[str] = []
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as wrong:
            error = f"not a CSV row: {wrong}"
        if error is None and values and len(values) != len(columns):
            error = f"{len(values)} columns instead of {len(columns)}"
        if error is None:
            first, raw = _joined(lines.taken)
            yield Row(first, raw, dict(zip(columns, values, strict=False)))
            continue
        lines.read_again_from_second()
        item = lines.taken[0]
        if isinstance(item, OversizedLine):
            yield Row(item.number, item.head, {}, error, item.size)
        else:
            yield Row(item[0], item[1], {}, error)


def _joined(taken: list[_Line]) -> tuple[int, bytes]:
    whole = [item for item in taken if not isinstance(item, OversizedLine)]
    return whole[0][0], b"\n".join(raw for _, raw in whole)
