"""Step 3 of the lander: decodes a batch of JSON values into columns, and lists invalid values with their reasons.

The quick path parses the joined batch with polars and the contract's schema, and then verifies that nothing was read
leniently. Any batch that fails the verification takes the strict path: each value goes through the strict decoder, and
valid ones are re-encoded canonically and parsed again. So the strict decoder alone decides what is valid, and both
paths land the same values. For the choice of polars over Arrow's JSON reader, see
`docs/decisions/0002-columnar-decoding.md`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import polars as pl
import pyarrow as pa
from polars.exceptions import PolarsError

from headrace.contracts.decoding import InvalidRecord, decode, encode
from headrace.contracts.fields import Field, Kind, fields_of
from headrace.contracts.missing import BLANKS, MISSING
from headrace.contracts.topic import MAX_RECORD_BYTES
from headrace.contracts.types import INT64_MAX, INT64_MIN, MONEY_SCALE, Event, money_pattern
from headrace.streaming.landing.byte_column import ByteColumn

_TIME_REGEX = r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$"
_LANDING_TYPES: dict[Kind, Any] = {
    "string": pl.String,
    "time": pl.Datetime("us", "UTC"),
    "integer": pl.Int64,
    "number": pl.Float64,
    "boolean": pl.Boolean,
}
_WIRE_TYPES: dict[Kind, Any] = {**_LANDING_TYPES, "time": pl.String}
_QUOTE, _COLON, _NEWLINE = b'":\n'
_WINDOW = 1 << 21


@dataclass(frozen=True)
class Offender:
    """A value that is not a valid event. `index` is its index in the batch."""

    index: int
    category: str
    reason: str


@dataclass(frozen=True)
class Decoded:
    """`events` holds the contract's columns; its rows are the batch's values at `indices`, in order (None: all)."""

    events: pl.DataFrame
    indices: np.ndarray | None = None
    offenders: list[Offender] = field(default_factory=list[Offender])


class _NotVouchedFor(Exception):  # noqa: N818  a result, not a failure
    """The quick path cannot verify that the whole batch is valid."""


def decode_batch(contract: type[Event], values: ByteColumn, text: "Survey | None" = None) -> Decoded:
    """Decode a batch of record values, packed as lines without nulls, into the contract's landing columns.

    `text` is the survey of the values, if already computed.
    """
    if not len(values):
        return Decoded(_empty(contract))
    try:
        return Decoded(_parse(contract, values, text or survey(values.data)))
    except _NotVouchedFor:
        return _decode_strictly(contract, values)


def _decode_strictly(contract: type[Event], values: ByteColumn) -> Decoded:
    indices: list[int] = []
    canonical: list[bytes] = []
    offenders: list[Offender] = []
    for index, value in enumerate(cast("list[bytes]", values.all())):
        try:
            canonical.append(encode(decode(contract, value)))
            indices.append(index)
        except InvalidRecord as invalid:
            offenders.append(Offender(index, invalid.category, str(invalid)))
    events = _convert(contract, _read(b"\n".join(canonical), fields_of(contract))) if canonical else _empty(contract)
    return Decoded(events, np.array(indices, dtype=np.int64), offenders)


def _empty(contract: type[Event]) -> pl.DataFrame:
    return pl.DataFrame(schema={f.name: landing_type(f) for f in fields_of(contract)})


# --- parsing ----------------------------------------------------------------------------------------------------------

_seen: dict[type[Event], set[str]] = {}
"""Fields that have occurred in each contract's records so far. Absent fields cost as much to parse as present ones, so
the quick path requests only these until another occurs."""


def _parse(contract: type[Event], values: ByteColumn, text: "Survey") -> pl.DataFrame:
    joined = values.data
    # One line per value: polars makes at most one row per line, so equal counts mean one row per value.
    if text.newlines != len(values) - 1 or int(values.lengths.max()) > MAX_RECORD_BYTES:
        raise _NotVouchedFor
    seen = _seen.setdefault(contract, {f.name for f in fields_of(contract) if f.required})
    for fields in ([f for f in fields_of(contract) if f.name in seen], fields_of(contract)):
        frame = _read(joined, fields)
        if frame.height == len(values) and _nothing_was_read_leniently(text, frame):
            seen.update(name for name in frame.columns if frame[name].null_count() < frame.height)
            return _convert(contract, frame)
    raise _NotVouchedFor


def _read(joined: bytes, fields: Sequence[Field]) -> pl.DataFrame:
    if not joined.startswith(b"{"):
        # polars decompresses input that looks like a compressed file, and raises `OSError` if it is not.
        raise _NotVouchedFor
    try:
        return pl.read_ndjson(joined, schema={f.name: _wire_type(f) for f in fields})
    except PolarsError as error:
        raise _NotVouchedFor from error


def _wire_type(declared: Field) -> Any:
    return _type(declared, _WIRE_TYPES, lambda _digits, _scale: pl.String)


def landing_type(declared: Field) -> Any:
    """The polars type of the landed column."""
    return _type(declared, _LANDING_TYPES, pl.Decimal)


def _type(declared: Field, types: dict[Kind, Any], of_money: Callable[[int, int], Any]) -> Any:
    if declared.kind == "list":
        return pl.List(pl.Struct({child.name: _type(child, types, of_money) for child in declared.children}))
    return types[declared.kind] if declared.digits is None else of_money(declared.digits, MONEY_SCALE)


def _nothing_was_read_leniently(text: "Survey", frame: pl.DataFrame) -> bool:
    """Whether every cell comes from exactly one pair of the text, and every text cell from a JSON string.

    Polars takes the first of a key given twice, drops unknown keys and turns numbers into text where text belongs. Let
    the text have K keys and S string values, and the frame k cells that are not null, of which s are text. With d keys
    too many (repeated, unknown, or with a null), u of them with a string, and l text cells that came from no string,
    K = k + d and S = s - l + u. Counting the quotation marks, 2K + 2S = 2k + 2s holds only if d + u = l. Counting
    `":"`, which stands only between a key and its string, gives at most S; that it is s holds only if l <= u. Both
    hold only if d = u = l = 0. Other escapes than `\\"` (one mark) and `\\n` are left to the strict path.
    """
    cells, texts = _cells(frame.get_columns())
    return not text.other_escapes and text.quotes == 2 * cells + 2 * texts and text.between == texts


@dataclass(frozen=True)
class Survey:
    """Counts over a text: newlines, unescaped quotation marks, places of `":"`, escapes other than `\\"` and `\\n`."""

    newlines: int
    quotes: int
    between: int
    other_escapes: int

    @classmethod
    def of_lines(cls, parts: Sequence["Survey"]) -> "Survey":
        """The survey of texts put together with a newline between each two."""
        return cls(
            newlines=sum(part.newlines for part in parts) + len(parts) - 1,
            quotes=sum(part.quotes for part in parts),
            between=sum(part.between for part in parts),
            other_escapes=sum(part.other_escapes for part in parts),
        )


def survey(joined: bytes) -> Survey:
    """Survey a text.

    The text is processed in windows, preferably by the thread that has just written it: each of these steps acquires
    the GIL, and another thread would wait for it each time. So the values of one `consume` call fit into a window.
    """
    characters = np.frombuffer(joined, np.uint8)
    newlines = quotes = between = 0
    for start in range(0, len(characters), _WINDOW):
        window = characters[start : start + _WINDOW + 2]
        newlines += int(np.count_nonzero(window[:_WINDOW] == _NEWLINE))
        is_quote = window == _QUOTE
        quotes += int(np.count_nonzero(is_quote[:_WINDOW]))
        is_between = window[1:-1] == _COLON
        is_between &= is_quote[:-2]
        is_between &= is_quote[2:]
        between += int(np.count_nonzero(is_between))
    if b"\\" not in joined:
        return Survey(newlines, quotes, between, 0)
    escaped_quotes = joined.count(b'\\"')
    other_escapes = joined.count(b"\\") - escaped_quotes - joined.count(b"\\n")
    return Survey(newlines, quotes - escaped_quotes, between, other_escapes)


def _cells(columns: list[pl.Series]) -> tuple[int, int]:
    """The number of non-null cells, and the number of text cells among them, at any depth."""
    cells = texts = 0
    for column in columns:
        filled = len(column) - column.null_count()
        cells += filled
        if column.dtype == pl.String:
            texts += filled
        elif isinstance(column.dtype, pl.List) and filled:
            elements = column.drop_nulls().explode(empty_as_null=False)
            inner_cells, inner_texts = _cells(elements.struct.unnest().get_columns())
            cells, texts = cells + inner_cells, texts + inner_texts
    return cells, texts


# --- checking and converting ------------------------------------------------------------------------------------------


def _convert(contract: type[Event], frame: pl.DataFrame) -> pl.DataFrame:
    """The frame in landing types, with all of the contract's columns. Raises `_NotVouchedFor` for an invalid value."""
    fields = fields_of(contract)
    present = [f for f in fields if f.name in frame.columns]
    _require_valid(present, frame)
    times = {f.name: _times(frame[f.name]) for f in present if f.kind == "time"}
    return frame.with_columns(**times).select(_landing_column(f, f.name in frame.columns) for f in fields)


def _require_valid(fields: Sequence[Field], frame: pl.DataFrame) -> None:
    """Check constraints that polars' parser does not, at any depth, in one pass over the columns."""
    checks = [check.alias(str(n)) for n, check in enumerate(check for f in fields for check in _checks(f))]
    if checks and False in frame.select(checks).row(0):  # a check without any values is null and passes
        raise _NotVouchedFor
    _require_lengths(fields, frame)
    for declared in fields:
        if declared.kind == "list":
            elements = frame[declared.name].drop_nulls().explode(empty_as_null=False)
            if elements.null_count():
                raise _NotVouchedFor
            _require_valid(declared.children, elements.struct.unnest())


def _require_lengths(fields: Sequence[Field], frame: pl.DataFrame) -> None:
    """Check the length in bytes first, which is much faster: a text never has more characters than bytes."""
    bounded = {f.name: f.max_length for f in fields if f.max_length is not None}
    if not bounded:
        return
    most = frame.select(pl.col(name).str.len_bytes().max() for name in bounded).row(0)
    longest = [name for name, size in zip(bounded, most, strict=True) if size is not None and size > bounded[name]]
    checks = [pl.col(name).str.len_chars().max() <= bounded[name] for name in longest]
    if checks and not all(frame.select(checks).row(0)):
        raise _NotVouchedFor


def _checks(declared: Field) -> Iterator[pl.Expr]:
    """Expressions that are true, or null, if every value of a column satisfies the contract."""
    column = pl.col(declared.name)
    if declared.required and not declared.nullable:
        yield column.null_count() == 0
    if declared.digits is not None:
        yield column.str.contains(f"^{money_pattern(declared.digits)}$").all()
    elif declared.kind == "time":
        yield column.str.contains(_TIME_REGEX).all()
    elif declared.kind == "number":
        yield column.is_finite().all()
    if declared.names_customer and declared.required:
        yield ~_is_missing(column).any()
    if declared.choices is not None:
        yield column.is_in(declared.choices).all()
    if declared.min_length is not None:
        yield column.str.len_bytes().min() >= declared.min_length
    if declared.minimum is not None and declared.minimum != INT64_MIN:
        yield column.min() >= declared.minimum
    if declared.maximum is not None and declared.maximum != INT64_MAX:
        yield column.max() <= declared.maximum


def _landing_column(declared: Field, present: bool) -> pl.Expr:
    """A column in its landing type. Null cells get the default: a null in the text would have failed verification."""
    kind = landing_type(declared)
    column = pl.col(declared.name) if present else pl.lit(None, kind).alias(declared.name)
    if declared.names_customer and not declared.required and present:
        column = pl.when(~_is_missing(column)).then(column).alias(declared.name)
    if declared.default is not None:
        column = column.fill_null(declared.default)
    return column.cast(kind)


def _is_missing(column: pl.Expr) -> pl.Expr:
    """As `headrace.contracts.missing.is_missing`."""
    return column.str.strip_chars(BLANKS).str.to_lowercase().is_in(sorted(MISSING))


def _times(text: pl.Series) -> pl.Series:
    """Parse times from text in the right format. Arrow's parser takes a tenth of the time of polars'."""
    try:
        parsed = text.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.timestamp("us", tz="UTC"))
    except pa.ArrowInvalid as error:  # right format, but not a date: February 30
        raise _NotVouchedFor from error
    return pl.Series(text.name, parsed)
