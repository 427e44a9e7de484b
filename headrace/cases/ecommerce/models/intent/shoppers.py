"""Files in the format of UCI Online Shoppers Intention: one row per whole session, and whether it ended in a purchase.

Sakar, Polat, Katircioglu and Kastro, "Real-time prediction of online shoppers' purchasing intention using multilayer
perceptron and LSTM recurrent neural networks", 2019.
"""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from headrace.contracts.errors import Terminal

NUMBERS = (
    "Administrative",
    "Administrative_Duration",
    "Informational",
    "Informational_Duration",
    "ProductRelated",
    "ProductRelated_Duration",
    "BounceRates",
    "ExitRates",
    "SpecialDay",
    "OperatingSystems",
    "Browser",
    "Region",
    "TrafficType",
)
PAGE_VALUES = "PageValues"
"""Mean value of the pages seen, in hindsight: it nearly determines the outcome, and is unknown during the session."""
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
VISITORS = {"Returning_Visitor": 0.0, "New_Visitor": 1.0, "Other": 2.0}
YEAR = 2017
"""The file has months but no year: sessions are dated to the first of their month in this year."""
COLUMNS = (*NUMBERS, "month", "visitor", "weekend", "pages", "seconds_a_product")
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_REQUIRED = (*NUMBERS, "Month", "VisitorType", "Weekend", "Revenue")


def read(path: Path) -> pl.DataFrame:
    """The rows of a file as a frame: `COLUMNS`, `PageValues` if the file has it, `cutoff`, `bought`, `session`.

    Raises:
        Terminal: the file is missing, has other columns, or an invalid value; the message names the line.
    """
    try:
        table = pl.read_csv(path, infer_schema=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise Terminal(f"{path} cannot be read: {error}.", remedy="Use a CSV file of sessions.") from error
    if missing := [name for name in _REQUIRED if name not in table.columns]:
        raise Terminal(
            f"{path} has no column {', '.join(missing)}.", remedy="Use a file in the Online Shoppers format."
        )
    numbers = [*NUMBERS, *([PAGE_VALUES] if PAGE_VALUES in table.columns else [])]
    frame = table.select(
        *(pl.col(name).str.strip_chars().cast(pl.Float64, strict=False) for name in numbers),
        month=_coded("Month", {name: float(number) for number, name in enumerate(MONTHS, 1)}, letters=3),
        visitor=_coded("VisitorType", VISITORS),
        weekend=_coded("Weekend", {text: float(value) for text, value in _BOOLEANS.items()}, lower=True),
        bought=_coded("Revenue", {text: float(value) for text, value in _BOOLEANS.items()}, lower=True),
    )
    _require_values(path, frame)
    first_of_month = pl.datetime(YEAR, pl.col("month").cast(pl.Int32), 1, time_zone="UTC", time_unit="us")
    return frame.with_columns(
        bought=pl.col("bought") == 1.0,
        pages=pl.col("Administrative") + pl.col("Informational") + pl.col("ProductRelated"),
        seconds_a_product=pl.col("ProductRelated_Duration") / pl.max_horizontal(pl.col("ProductRelated"), 1.0),
        cutoff=first_of_month,
        session=pl.int_range(pl.len()).cast(pl.String),
    ).sort("month", maintain_order=True)


def as_of(table: pl.DataFrame) -> datetime:
    """The month of the latest sessions."""
    return datetime(YEAR, int(table["cutoff"].dt.month().max() or 1), 1, tzinfo=UTC)  # pyright: ignore[reportArgumentType]


def _coded(column: str, codes: dict[str, float], *, letters: int | None = None, lower: bool = False) -> pl.Expr:
    text = pl.col(column).str.strip_chars()
    text = text.str.to_lowercase() if lower else text
    text = text if letters is None else text.str.head(letters)
    return text.replace_strict(codes, default=None, return_dtype=pl.Float64)


def _require_values(path: Path, frame: pl.DataFrame) -> None:
    for name in frame.columns:
        wrong = frame[name].is_null() | frame[name].is_nan() | (frame[name] < 0)
        # Some editions of the original file use -1 for sessions without time on a type of page.
        wrong = wrong & ~frame[name].eq(-1.0).fill_null(False) if name.endswith("_Duration") else wrong
        if wrong.any():
            line = int(wrong.arg_true()[0]) + 2
            raise Terminal(f"{path}, line {line}: {name} has no valid value.", remedy="Correct or remove the line.")
