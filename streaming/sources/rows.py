"""Rows of a CSV file, plain or compressed, each with the exact bytes that it was read from."""

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct

from headrace.contracts.errors import Terminal
from headrace.streaming.sources.files import (
    MAX_LINE_BYTES,
    OversizedLine,
    Piece,
    numbered_lines,
    without_byte_order_mark,
)

MOST_READINGS = 8
"""How often a line is read as a later line of an invalid row, such as one with a quote that never ends."""

csv.field_size_limit(
    MAX_LINE_BYTES
)  # Limit of a field, for the whole process: no record is longer, and the default of 131,072 is too small.

_Line = tuple[int, bytes] | OversizedLine


class Row(Struct, frozen=True, gc=False):
    """One row. `values` are by column name; a row with too few or too many cells has an `error` and no values."""

    number: int
    raw: bytes
    values: dict[str, str]
    error: str | None = None
    size: int | None = None

    @property
    def is_blank(self) -> bool:
        return self.error is None and not self.raw.strip()


class Cells(Struct, frozen=True, gc=False):
    """One row before its columns have names. A blank line, or one that is not CSV, has no cells."""

    number: int
    raw: bytes
    cells: list[str]
    error: str | None = None
    size: int | None = None


class _Lines(Iterator[str]):
    """Feeds `csv.reader`, and records the lines of each row. A row may span several."""

    def __init__(self, pieces: Iterable[Piece], decode: Callable[[bytes], str]) -> None:
        self._lines = numbered_lines(pieces)
        self._decode = decode
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
        try:
            return self._decode(item[1]) + "\n"
        except UnicodeDecodeError as error:
            raise csv.Error(f"text that is not {error.encoding}") from None

    def begin_row(self) -> None:
        """Lines taken from now on belong to the next row."""
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
    """Decode as UTF-8, or else as Latin-1."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


class CellReader(Iterator[Cells]):
    """Reads rows as lists of cells. `check` says what is wrong with a row's cells; set it once the header is known."""

    def __init__(
        self,
        pieces: Iterable[Piece],
        *,
        delimiter: str = ",",
        quote: str = '"',
        decode: Callable[[bytes], str] = decode_text,
    ) -> None:
        self._lines = _Lines(without_byte_order_mark(pieces), decode)
        self._reader = csv.reader(self._lines, strict=True, delimiter=delimiter, quotechar=quote)
        self.check: Callable[[list[str]], str | None] = lambda _: None

    def header(self) -> list[str]:
        """The next row, without checks; empty at the end of the file.

        Raises:
            csv.Error: it is not a CSV row.
        """
        return next(self._reader, [])

    def __next__(self) -> Cells:
        lines = self._lines
        lines.begin_row()
        error: str | None = None
        values: list[str] = []
        try:
            values = next(self._reader)
        except csv.Error as wrong:
            error = f"not a CSV row: {wrong}"
        if error is None and values:
            error = self.check(values)
        if error is None:
            first, raw = _joined(lines.taken)
            return Cells(first, raw, values)
        lines.read_again_from_second()
        item = lines.taken[0]
        if isinstance(item, OversizedLine):
            return Cells(item.number, item.head, [], error, item.size)
        return Cells(item[0], item[1], values, error)


def read_rows(pieces: Iterable[Piece]) -> tuple[list[str], Iterator[Row]]:
    """The header's column names, and the rows after it.

    Raises:
        Terminal: the file has no header.
    """
    reader = CellReader(pieces)
    try:
        header = reader.header()
    except csv.Error as error:
        raise Terminal(f"The header cannot be read: {error}.", remedy="Give a CSV file with a header line.") from error
    columns = [name.strip() for name in header]
    if not any(columns):
        raise Terminal("The file is empty.", remedy="Give a CSV file with a header line.")
    width = len(columns)
    reader.check = lambda cells: None if len(cells) == width else f"{len(cells)} columns instead of {width}"
    return columns, _rows(reader, columns)


def _rows(reader: CellReader, columns: list[str]) -> Iterator[Row]:
    for row in reader:
        if row.error is not None:
            yield Row(row.number, row.raw, {}, row.error, row.size)
        else:
            yield Row(row.number, row.raw, dict(zip(columns, row.cells, strict=False)))


def _joined(taken: list[_Line]) -> tuple[int, bytes]:
    whole = [item for item in taken if not isinstance(item, OversizedLine)]
    return whole[0][0], b"\n".join(raw for _, raw in whole)
