"""Excel workbooks (.xlsx) as records, row by row. Merged cells have their value in every row that they cover."""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import msgspec

from headrace.contracts.errors import Terminal
from headrace.streaming.sources.mapped.csv_records import header_names
from headrace.streaming.sources.mapped.mapping import FileKeys
from headrace.streaming.sources.mapped.records import Record, Table

SHARED_STRINGS = "xl/sharedStrings.xml"
MAX_SHARED_BYTES = 100_000_000
"""Texts that cells share are held in memory."""
MAX_ROWS = 1_048_576
"""A sheet has no more; the numbers of rows in a damaged one may go much further."""
MOST_MERGED = 200_000
_MERGED = re.compile(rb'<mergeCell [^>]*?ref="([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})"')
_OVERLAP = 200
_CHUNK = 262_144

Merged = dict[int, list[tuple[int, int]]]
"""By the first row (from 1) of cells that are one: their column (from 0), and the last row."""


def read_excel(path: Path, keys: FileKeys) -> Table:
    """The records of a sheet; their bytes are the row as JSON.

    Raises:
        Terminal: it is damaged, or has several sheets and none is named.
    """
    from openpyxl import load_workbook  # takes longer to import than the other formats together
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with ZipFile(path) as archive:
            _check_size(archive)
        # By a file, not by its name, whose ending would have to be .xlsx.
        book = load_workbook(path.open("rb"), read_only=True, data_only=True, keep_links=False)
        names = [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"]
        sheet: Any = book[_chosen(names, keys.sheet)]
        merged = _merged_cells(path, sheet)
        sheet.reset_dimensions()
        rows = _rows(path, sheet)
        above = [] if keys.columns is not None else [next(rows, ()) for _ in range(keys.header_row)]
        header = [_name(cell) for cell in above[-1]] if above else list(keys.columns or ())
        columns = header_names(header)
    except (BadZipFile, InvalidFileException, KeyError, ValueError, OSError) as error:
        raise _damaged(path, error) from error
    return Table(
        "excel", columns, _records(rows, columns, len(above), merged), {"sheet": sheet.title, "merged": bool(merged)}
    )


def _check_size(archive: ZipFile) -> None:
    sizes = {each.filename: each.file_size for each in archive.infolist()}
    if sizes.get(SHARED_STRINGS, 0) > MAX_SHARED_BYTES:
        raise Terminal(
            f"The texts of the workbook take more than {MAX_SHARED_BYTES:,} bytes.", remedy="Save the sheet as CSV."
        )


def _chosen(names: list[str], wanted: str | None) -> str:
    if wanted in names:
        return wanted
    if wanted is None and len(names) == 1:
        return names[0]
    problem = f"has no sheet {wanted}" if wanted else f"has {len(names)} sheets"
    raise Terminal(f"The workbook {problem}.", remedy=f"Say `file.sheet`, as one of: {', '.join(names)}.")


def _rows(path: Path, sheet: Any) -> Iterator[tuple[Any, ...]]:
    try:
        yield from islice(sheet.iter_rows(values_only=True), MAX_ROWS)
    except (BadZipFile, KeyError, ValueError, OSError, SyntaxError) as error:
        raise _damaged(path, error) from error


def _records(rows: Iterator[tuple[Any, ...]], columns: list[str], above: int, merged: Merged) -> Iterator[Record]:
    width = len(columns)
    covering: dict[int, tuple[int, Any]] = {}
    for number, cells in enumerate(rows, above + 1):
        values = [*map(_plain, cells)]
        values += [None] * (width - len(values))
        for column, (last, value) in [*covering.items()]:
            if number <= last:
                values[column] = value
            else:
                del covering[column]
        for column, last in merged.get(number, ()):
            if column < width:
                covering[column] = last, values[column]
        while len(values) > width and values[-1] is None:
            values.pop()
        raw = msgspec.json.encode(values, enc_hook=str)
        error = None if len(values) == width else f"{len(values)} columns instead of {width}"
        is_header = [_name(cell) for cell in values[:width]] == columns
        yield Record(number, raw, dict(zip(columns, values, strict=False)), error, None, is_header)


def _plain(value: Any) -> Any:
    """Durations and times of the day are no values of a contract; their text says what is there."""
    if isinstance(value, time | timedelta):
        return str(value)
    if isinstance(value, str) and not value.strip():
        return None
    return value if isinstance(value, str | int | float | bool | datetime | date) or value is None else str(value)


def _name(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def _merged_cells(path: Path, sheet: Any) -> Merged:
    """Which cells of a column are merged over rows. openpyxl does not read them row by row: they stand at the end."""
    found: Merged = {}
    count, rest = 0, b""
    with ZipFile(path) as archive, archive.open(sheet._worksheet_path) as handle:  # noqa: SLF001  it has no public name
        while chunk := handle.read(_CHUNK):
            text = rest + chunk
            end = 0
            for match in _MERGED.finditer(text):
                end = match.end()
                first, last = int(match[2]), int(match[4])
                count += 1
                if count > MOST_MERGED:
                    raise Terminal("The sheet has too many merged cells.", remedy="Save the sheet as CSV.")
                if match[1] == match[3] and first < last:
                    found.setdefault(first, []).append((_column(match[1]), last))
            rest = text[max(end, len(text) - _OVERLAP) :]
    return found


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


def _damaged(path: Path, error: Exception) -> Terminal:
    return Terminal(
        f"{path} cannot be read as an Excel workbook: {error}.", remedy="Save it again, or save the sheet as CSV."
    )
