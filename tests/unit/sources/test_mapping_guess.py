"""A first mapping of a file: what is certain is written, what is likely is marked as a guess, the rest is asked."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from headrace.contracts.topics import TOPICS
from headrace.streaming.sources.mapped.guessing import guess
from headrace.streaming.sources.mapped.map_files import answered, decode, parse
from headrace.streaming.sources.mapped.map_writing import Draft
from headrace.streaming.sources.mapped.mapping import FileKeys
from headrace.streaming.sources.mapped.plan import compile_mapping
from headrace.streaming.sources.mapped.preview import preview
from tests.unit.sources.mapped_orders import COLUMNS, mapped, orders_csv, sheet

DAY = datetime(2026, 3, 1)  # noqa: DTZ001  as a workbook has it
ROW = "1,2026-03-01,C1,EUR,Mug,2,4.50"


@dataclass
class Awkward:
    """A file, what is asked about it, the answers, and what it then gives: accepted, rejected, ignored."""

    content: bytes | Callable[[Path], object]
    counts: tuple[int, int, int]
    first: dict[str, Any] = field(default_factory=dict[str, Any])
    answers: list[str] = field(default_factory=list[str])
    guesses: str = ""
    reason: str = ""
    topic: str = "orders"

    @property
    def asked(self) -> list[str]:
        """The keys of the answers."""
        return sorted(answer.partition("=")[0] for answer in self.answers)


def workbook(*rows: list[Any], merged: tuple[str, ...] = ()) -> Callable[[Path], object]:
    return lambda path: sheet(path, *rows, merged=merged)


def rows_of(*values: str, column: int, start: int = 1) -> bytes:
    """Orders that differ in one column."""
    rows: list[str] = []
    for number, value in enumerate(values, start):
        cells = [str(number), "2026-03-01", "C1", "EUR", "Mug", "2", "4.50"]
        cells[column] = value
        rows.append(";".join(cells))
    return orders_csv(*rows, header=";".join(COLUMNS))


FILES = {
    "byte order mark": Awkward(b"\xef\xbb\xbf" + orders_csv(ROW), (1, 0, 0), {"order_id": "1"}),
    "CR only": Awkward(orders_csv(ROW, ROW.replace("1", "2", 1), newline="\r"), (2, 0, 0), {"total": "9.00"}),
    "UTF-16": Awkward(orders_csv(ROW.replace("Mug", "Krüg")).decode().encode("utf-16"), (1, 0, 0)),
    "Windows-1252": Awkward(
        orders_csv(ROW.replace("Mug", "Krüg")).decode().encode("cp1252"),
        (1, 0, 0),
        answers=["file.encoding=cp1252"],
    ),
    "mixed encodings": Awkward(
        orders_csv(ROW.replace("Mug", "Krüg")) + "2,2026-03-01,C1,EUR,Krüg,2,4.50\n".encode("cp1252"),
        (1, 1, 0),
        reason="not a CSV row: text that is not utf-8",
    ),
    "decimal comma": Awkward(
        rows_of("1.234,50 €", "3,00 €", column=6), (2, 0, 0), {"total": "2469.00"}, guesses='decimal = ","'
    ),
    "a price that reads both ways": Awkward(
        rows_of("1,234", column=6),
        (1, 0, 0),
        {"total": "2468"},
        ["lines.unit_price.decimal=.", "lines.unit_price.thousands=,"],
    ),
    "both decimal separators": Awkward(
        rows_of("1,50", "1.50", column=6), (1, 1, 0), answers=["lines.unit_price.decimal=."], reason="unit_price is not"
    ),
    "dates with the day first": Awkward(
        rows_of("13/02/2026 10:00", "01/02/2026 11:00", column=1), (2, 0, 0), guesses='format = "dmy"'
    ),
    "dates that read both ways": Awkward(
        rows_of("01/02/2026", "03/04/2026", column=1), (2, 0, 0), answers=["fields.event_time.format=dmy"]
    ),
    "dates of both orders": Awkward(
        rows_of("13/02/2026", "02/13/2026", column=1),
        (1, 1, 0),
        answers=["fields.event_time.format=dmy"],
        reason="event_time is no time (column Date)",
    ),
    "month names": Awkward(rows_of("1 Feb 2026 10:00", column=1), (1, 0, 0), guesses='format = "%d %b %Y %H:%M"'),
    "nan": Awkward(rows_of("nan", "NaN", "C2", column=2), (3, 0, 0), {"customer_id": None}),
    "quoted newlines": Awkward(orders_csv(ROW.replace("Mug", '"a ""big""\nmug"')), (1, 0, 0)),
    "a total line": Awkward(orders_csv(ROW, "Total,,,,,2,9.00"), (1, 0, 1), guesses='equals = "Total"'),
    "a short total line": Awkward(orders_csv(ROW, "Total,9.00"), (1, 0, 1), guesses='equals = "Total"'),
    "times with and without zones": Awkward(
        rows_of("2026-03-01T10:00:00+02:00", "2026-03-01 10:00:00", column=1),
        (2, 0, 0),
        {"event_time": "2026-03-01T08:00:00+00:00"},
        ["fields.event_time.timezone=Europe/Berlin"],
    ),
    "abbreviated zones": Awkward(
        rows_of("2026-03-01 10:00 CET", column=1),
        (1, 0, 0),
        {"event_time": "2026-03-01T09:00:00+00:00"},
        ["values.zones.CET=Europe/Berlin"],
    ),
    "Excel dates": Awkward(
        workbook(COLUMNS, [1, DAY, "C1", "EUR", "Mug", 2, 4.5]), (1, 0, 0), {"event_time": "2026-03-01T00:00:00+00:00"}
    ),
    "Excel serial numbers": Awkward(
        rows_of("46082.5", column=1), (1, 0, 0), {"event_time": "2026-03-01T12:00:00+00:00"}, guesses='format = "excel"'
    ),
    "ids in scientific notation": Awkward(
        rows_of("4.05E+12", "7", column=0),
        (1, 1, 0),
        answers=["fields.order_id.numbers=whole"],
        reason="order_id is in scientific",
    ),
    "ids with a fraction": Awkward(
        rows_of("17850.0", column=2), (1, 0, 0), {"customer_id": "17850"}, ["fields.customer_id.numbers=whole"]
    ),
    "repeated headers": Awkward(orders_csv(ROW, ",".join(COLUMNS), ROW.replace("1", "2", 1)), (2, 0, 1)),
    "trailing separators": Awkward(orders_csv(f"{ROW},,", header=",".join(COLUMNS) + ",,"), (1, 0, 0)),
    "titles above the header": Awkward(b"Orders of March\n\n" + orders_csv(ROW), (1, 0, 0), guesses="header_row = 3"),
    "merged cells": Awkward(
        workbook(COLUMNS, [1, DAY, "C1", "EUR", "Mug", 2, 4.5], [*[None] * 4, "Cup", 1, 3], merged=("A2:A3",)),
        (1, 0, 0),
        {"total": "12.0"},
    ),
    "merged cells saved as CSV": Awkward(
        orders_csv(ROW, ",,,,Cup,1,3.00"), (1, 0, 0), {"total": "12.00"}, ['rows.fill_down=["Order"]']
    ),
    "no currency": Awkward(
        orders_csv("1,2026-03-01,Mug,2,$4.50", header="Order,Date,Item,Qty,Price"),
        (1, 0, 0),
        {"currency": "USD", "total": "9.00"},
        ["fields.currency.constant=USD"],
    ),
    "a sign of one currency": Awkward(
        orders_csv("1,2026-03-01,Mug,2,€4.50", header="Order,Date,Item,Qty,Price"),
        (1, 0, 0),
        {"currency": "EUR"},
        guesses='constant = "EUR" }  # guess',
    ),
    "returns among the orders": Awkward(
        rows_of("-2", column=5), (1, 0, 0), {"kind": "return"}, ["fields.kind.constant=return"]
    ),
    "rows that stand apart": Awkward(
        orders_csv(ROW, ROW.replace("1", "2", 1), ROW.replace("Mug", "Cup")), (2, 0, 0), guesses="together = false"
    ),
    "answers of a form": Awkward(
        b"Timestamp,Rating,Your name,Comment\n2026-03-01 10:00,5,Ann,good\n",
        (1, 0, 0),
        {"text": "good", "rating": 5},
        topic="customer_feedback",
        guesses='generate = "content" }  # guess',
    ),
    "JSON with lines": Awkward(
        b'[{"id": 7, "date": "2026-03-01T10:00:00Z", "currency": "EUR",'
        b' "items": [{"sku": "A", "qty": 2, "price": 12.34}]}]',
        (1, 0, 0),
        {"total": "24.68"},
        guesses='lines = "items"',
    ),
}


def drafted(path: Path, awkward: Awkward, answers: list[str]) -> Draft:
    raw = answered({}, answers)
    draft = guess(path, TOPICS[awkward.topic], decode(raw, "answers").file)
    draft.answer(raw)
    return draft


@pytest.mark.parametrize("name", FILES)
def test_an_awkward_file_is_asked_about_and_then_gives_the_right_events(name: str, tmp_path: Path) -> None:
    awkward = FILES[name]
    path = tmp_path / "file"
    if isinstance(awkward.content, bytes):
        path.write_bytes(awkward.content)
    else:
        awkward.content(path)

    questions = [key for entry in drafted(path, awkward, []).questions for key in entry.open_keys]
    asked = [key for key in awkward.asked if not key.endswith(".thousands")]
    assert sorted(questions) == asked

    text = drafted(path, awkward, awkward.answers).as_toml(path.name)
    assert awkward.guesses in text
    mapping = decode(parse(text, "guess"), "guess")
    shown = preview(path, compile_mapping(mapping, TOPICS[awkward.topic])).counts
    found = mapped(path, text)
    assert found.counts == (shown.accepted, shown.rejected, shown.ignored) == awkward.counts, found.reasons
    assert all(rejected.reason.startswith(awkward.reason) and rejected.raw for rejected in found.rejected)
    for key, value in awkward.first.items():
        given = getattr(found.events[0], key)
        assert (given.isoformat() if isinstance(given, datetime) else given) == value


def test_every_guess_is_marked_and_every_question_has_its_key(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes(orders_csv("1,01/02/2026,2,4.50", header="Nummer,Datum,Menge,Preis"))
    text = guess(path, TOPICS["orders"], FileKeys()).as_toml(path.name)
    assert 'event_time = { column = "Datum", format = "?", timezone = "UTC" }  # guess' in text
    assert len(re.findall("^# QUESTION: ", text, re.MULTILINE)) == text.count('"?"') == 4
    unmarked = [line for line in text.splitlines() if " = " in line and "# guess" not in line and '"?"' not in line]
    assert unmarked == ['topic = "orders"', 'format = "csv"', 'delimiter = ","']


def test_a_column_name_cannot_write_keys_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    name = 'Price\n[file]\nsheet = "x'
    path.write_bytes(orders_csv(ROW, header=",".join(COLUMNS[:-1]) + ',"' + name.replace('"', '""') + '"'))
    raw = parse(guess(path, TOPICS["orders"], FileKeys()).as_toml("a\nb = 1"), "guess")
    assert set(raw) == {"topic", "file", "rows", "fields", "lines"}
    assert "sheet" not in raw["file"]
