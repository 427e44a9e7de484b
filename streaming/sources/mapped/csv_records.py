"""CSV files as records: separators and encodings detected or given, titles above the header, repeated headers."""

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import islice

from headrace.contracts.errors import Terminal
from headrace.streaming.sources.files import Piece
from headrace.streaming.sources.mapped.mapping import FileKeys
from headrace.streaming.sources.mapped.records import Record, Table
from headrace.streaming.sources.mapped.text_files import Text
from headrace.streaming.sources.rows import CellReader

DELIMITERS = (",", ";", "\t", "|")
SAMPLE_ROWS = 200


def read_csv(text: Text, keys: FileKeys) -> Table:
    """The records of a CSV file.

    Raises:
        Terminal: it has no header, or (later) cannot be read to its end.
    """
    delimiter = keys.delimiter or detect_delimiter(text, keys)
    reader = _reader(text.pieces(), text, keys, delimiter)
    if keys.columns is not None:
        names = keys.columns
    else:
        names = []
        for number, row in enumerate(reader, 1):
            if number >= keys.header_row:
                if row.error is not None:
                    remedy = "Say `file.encoding` or `file.header_row`."
                    raise Terminal(f"The header cannot be read: {row.error}.", remedy=remedy)
                names = row.cells
                break
    columns = header_names(names)
    reader.check = _check(len(columns))
    return Table("csv", columns, _records(reader, columns), {"delimiter": delimiter})


def header_names(cells: list[str]) -> list[str]:
    """The names of the columns: blanks around them and separators at the end are left out.

    Raises:
        Terminal: there is none, or two are equal.
    """
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if not names:
        raise Terminal(
            "The file has no header.", remedy="Say `file.header_row`, or name the columns in `file.columns`."
        )
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise Terminal(
            f"The header has {' and '.join(twice)} twice.",
            remedy="Name the columns in `file.columns`, and ignore the header by a rule in `rows.ignore`.",
        )
    return names


def detect_delimiter(text: Text, keys: FileKeys) -> str:
    """The separator by which the first rows have the most columns, and the same number of them."""
    scores = {delimiter: _score(text, keys, delimiter) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=scores.__getitem__)
    return best if scores[best] > 0 else DELIMITERS[0]


def _score(text: Text, keys: FileKeys, delimiter: str) -> float:
    widths = Counter(len(row.cells) for row in islice(_reader(text.head_pieces(), text, keys, delimiter), SAMPLE_ROWS))
    del widths[0]
    if not widths:
        return 0
    width, rows = widths.most_common(1)[0]
    return (width - 1) * rows / widths.total()


def _reader(pieces: Iterator[Piece], text: Text, keys: FileKeys, delimiter: str) -> CellReader:
    return CellReader(pieces, delimiter=delimiter, quote=keys.quote, decode=text.decode)


def _check(width: int):
    def check(cells: list[str]) -> str | None:
        if len(cells) == width or (len(cells) > width and not any(cells[width:])):
            return None
        return f"{len(cells)} columns instead of {width}"

    return check


def _records(reader: CellReader, columns: list[str]) -> Iterator[Record]:
    width = len(columns)
    try:
        for row in reader:
            values = dict(zip(columns, row.cells, strict=False))
            is_header = row.cells[:width] == columns or [cell.strip() for cell in row.cells[:width]] == columns
            yield Record(row.number, row.raw, values, row.error, row.size, is_header)
    except csv.Error as error:
        raise Terminal(f"The file cannot be read: {error}.", remedy="Say `file.delimiter` and `file.quote`.") from error
