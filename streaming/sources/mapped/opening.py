"""Opens a file of any of the formats as a table of records: the content decides which one it is, not the name."""

from pathlib import Path

from headrace.contracts.errors import Terminal
from headrace.streaming.sources.files import BYTE_ORDER_MARK, PARQUET_MAGIC, ZIP_MAGIC, magic_of
from headrace.streaming.sources.mapped.csv_records import read_csv
from headrace.streaming.sources.mapped.excel_records import read_excel
from headrace.streaming.sources.mapped.json_records import read_json_array, read_json_lines
from headrace.streaming.sources.mapped.mapping import FileFormat, FileKeys
from headrace.streaming.sources.mapped.parquet_records import read_parquet
from headrace.streaming.sources.mapped.records import Table
from headrace.streaming.sources.mapped.text_files import Text

OLD_EXCEL_MAGIC = b"\xd0\xcf\x11\xe0"


def open_table(path: Path, keys: FileKeys) -> Table:
    """The records of a file.

    Raises:
        Terminal: it cannot be read, or not as what the mapping says; also later, of a file that is damaged further on.
    """
    binary = _binary_format(path)
    if keys.format is not None and (binary or keys.format in ("parquet", "excel")) and keys.format != binary:
        raise Terminal(f"{path} is not {keys.format}.", remedy="Correct `file.format`, or leave it out.")
    if binary == "parquet":
        return read_parquet(path)
    if binary == "excel":
        return read_excel(path, keys)
    text = Text(path, keys.encoding)
    match keys.format or _text_format(text):
        case "jsonl":
            return read_json_lines(text)
        case "json":
            return read_json_array(text)
        case _:
            return read_csv(text, keys)


def _binary_format(path: Path) -> FileFormat | None:
    magic = magic_of(path)
    if magic == OLD_EXCEL_MAGIC:
        raise Terminal(f"{path} is an old Excel workbook (.xls).", remedy="Save it as .xlsx or CSV.")
    return "parquet" if magic == PARQUET_MAGIC else "excel" if magic == ZIP_MAGIC else None


def _text_format(text: Text) -> FileFormat:
    begin = text.head.removeprefix(BYTE_ORDER_MARK).lstrip()
    return "json" if begin[:1] == b"[" else "jsonl" if begin[:1] == b"{" else "csv"
