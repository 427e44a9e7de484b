"""The keys of a mapping: which column of a file is which field of a topic, and how its values are written.

The reference page of mappings is made of these structs. Reading the TOML file belongs to `map_files`, what a mapping
means for a contract to `plan`.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from headrace.contracts.types import about

MAX_SOURCE_LENGTH = 32

FileFormat = Literal["csv", "jsonl", "json", "parquet", "excel"]
Generated = Literal["content", "row", "sum"]
IdNumbers = Literal["whole", "as-written"]
Decimals = Literal[".", ","]


class FileKeys(Struct, frozen=True, forbid_unknown_fields=True):
    """`[file]`: how the file is written. What is left out is detected from its content."""

    format: Annotated[
        FileFormat | None, about("The format; `jsonl` has a JSON object on each line, `json` one array.")
    ] = None
    encoding: Annotated[str | None, about("Encoding of the text, such as `cp1252`; UTF-8 or UTF-16 by default.")] = None
    delimiter: Annotated[
        Annotated[str, Meta(min_length=1, max_length=1)] | None, about("CSV: the character between columns.")
    ] = None
    quote: Annotated[Annotated[str, Meta(min_length=1, max_length=1)], about("CSV: the quotation mark.")] = '"'
    header_row: Annotated[
        Annotated[int, Meta(ge=1, le=1000)], about("CSV, Excel: the row with the names of the columns.")
    ] = 1
    columns: Annotated[list[str] | None, about("CSV, Excel: the names, for a file without a header.")] = None
    sheet: Annotated[str | None, about("Excel: the sheet, for a workbook with several.")] = None


class Ignore(Struct, frozen=True, forbid_unknown_fields=True):
    """`[[rows.ignore]]`: rows that are no input, such as a total line. One of the conditions, on one column."""

    column: Annotated[str, about("The column that decides.")]
    equals: Annotated[str | list[str] | None, about("Ignore rows with this value, or one of these.")] = None
    pattern: Annotated[str | None, about("Ignore rows whose value matches this regular expression as a whole.")] = None
    blank: Annotated[bool, about("Ignore rows without a value.")] = False
    group: Annotated[bool, about("With `group_by`: ignore the whole group of such a row.")] = False


class RowKeys(Struct, frozen=True, forbid_unknown_fields=True):
    """`[rows]`: which rows make one event, and which make none."""

    group_by: Annotated[
        str | list[str] | None,
        about("Rows with the same values in these columns make one event, such as an order."),
    ] = None
    together: Annotated[
        bool, about("Whether the rows of a group stand together. If not, the file is sorted in a temporary file first.")
    ] = True
    lines: Annotated[str | None, about("JSON, Parquet: the column with the list of lines of one record.")] = None
    fill_down: Annotated[list[str], about("Columns in which an empty cell repeats the value above it.")] = []
    ignore: Annotated[list[Ignore], about("Rows to ignore.")] = []


class ValueKeys(Struct, frozen=True, forbid_unknown_fields=True):
    """`[values]`: how values are written, in all columns for which `[fields]` does not say otherwise."""

    decimal: Annotated[Decimals, about("The decimal separator.")] = "."
    thousands: Annotated[str | None, about("The separator of thousands, such as `.` or a space.")] = None
    remove: Annotated[list[str], about("Text to remove from numbers, such as `€` or `USD`.")] = []
    missing: Annotated[tuple[str, ...], about("Values that mean that there is none, besides an empty one.")] = (
        "nan",
        "NaN",
        "NULL",
        "null",
        "None",
        "<NA>",
        "#N/A",
        "N/A",
        "n/a",
        "\\N",
    )
    format: Annotated[str | None, about("The format of times, as in `[fields]`.")] = None
    timezone: Annotated[str, about("The time zone of times that do not state one.")] = "UTC"
    zones: Annotated[
        dict[str, str], about('The meaning of abbreviations of time zones: `CET = "Europe/Berlin"`, `EST = "-05:00"`.')
    ] = {}


class FieldKeys(Struct, frozen=True, forbid_unknown_fields=True):
    """`[fields]` and `[lines]`: where a field comes from. A text alone is a column: `order_id = "Name"`.

    One of `column`, `constant` and `generate` is needed.
    """

    column: Annotated[
        str | list[str] | None,
        about("The column, or several, of which the first with a value counts. In JSON also a path: `customer.id`."),
    ] = None
    optional: Annotated[bool, about("Whether the file may lack the column.")] = False
    constant: Annotated[str | int | float | bool | None, about("The same value for all events.")] = None
    generate: Annotated[
        Generated | None,
        about(
            "`content`: an id made of the event's content; `row`: also of the row number; `sum`: the sum of quantity"
            " times price over the lines."
        ),
    ] = None
    default: Annotated[str | int | float | bool | None, about("The value where the column has none.")] = None
    values: Annotated[dict[str, str], about("What each value of the column means; other values are rejected.")] = {}
    format: Annotated[
        str | None,
        about(
            "Times: `dmy`, `mdy`, `ymd` (dates in numbers), `unix`, `unix-ms`, `excel` (serial numbers), or a pattern"
            " such as `%d %b %Y`; ISO 8601 by default."
        ),
    ] = None
    timezone: Annotated[str | None, about("Times: the time zone, such as `Europe/Berlin`.")] = None
    decimal: Annotated[Decimals | None, about("Numbers: the decimal separator.")] = None
    thousands: Annotated[str | None, about("Numbers: the separator of thousands.")] = None
    remove: Annotated[list[str] | None, about("Numbers: text to remove.")] = None
    divided_by: Annotated[
        str | None, about("Amounts: the column to divide by, such as the quantity, rounded to four decimals.")
    ] = None
    numbers: Annotated[
        IdNumbers | None,
        about(
            "Ids that a spreadsheet made numbers of: `whole` reads `17850.0` as `17850`, `as-written` keeps the text."
            " Without it such ids are rejected."
        ),
    ] = None
    pseudonym: Annotated[
        str | None,
        about("Replace the value by its pseudonym, of this kind: `customer`. E-mail and IP addresses always are."),
    ] = None


class Mapping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole mapping. The first keys stand at the top of the file, before any table."""

    topic: Annotated[str | None, about("The topic; `--topic` names it, too.")] = None
    source: Annotated[
        Annotated[str, Meta(min_length=1, max_length=MAX_SOURCE_LENGTH)],
        about("The events' `source`, and the beginning of their ids."),
    ] = "file"
    file: FileKeys = FileKeys()
    rows: RowKeys = RowKeys()
    values: ValueKeys = ValueKeys()
    fields: dict[str, FieldKeys] = {}
    lines: dict[str, FieldKeys] = {}
