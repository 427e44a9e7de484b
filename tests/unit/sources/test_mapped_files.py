"""Files of all formats by a mapping: each record is an event, a rejection with a reason, or ignored."""

import gzip
import json
import lzma
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from headrace.cases.data_science.sources.texts import reviews
from headrace.contracts.errors import Terminal
from headrace.streaming.sources.files import read_pieces
from headrace.streaming.sources.outcomes import Accepted
from tests.shared_data import shared
from tests.unit.sources.mapped_orders import COLUMNS, FEEDBACK, ORDERS, mapped, order_lines, orders_csv, sheet
from tests.unit.sources.walking import Walk

REVIEWS = """
topic = "customer_feedback"
source = "reviews"
[fields]
feedback_id = { generate = "row" }
event_time = { constant = "2000-01-01" }
channel = { constant = "review" }
rating = "Rating"
title = "Title"
text = "Review Text"
subject = "Department Name"
product_id = "Clothing ID"
"""
ROWS = (
    "1,2026-03-01 10:00,C1,EUR,Mug,2,4.50",
    "1,2026-03-01 10:00,C1,EUR,Cup,1,3.00",
    "2,2026-03-02,C2,EUR,Mug,1,4.50",
)
TWO_ORDERS = [("1", [("Mug", 2, "4.50"), ("Cup", 1, "3.00")], "12.00"), ("2", [("Mug", 1, "4.50")], "4.50")]
TYPED: list[dict[str, Any]] = [
    dict(zip(COLUMNS, row, strict=True))
    for row in (
        ("1", datetime(2026, 3, 1, 10, tzinfo=UTC), "C1", "EUR", "Mug", 2, Decimal("4.50")),
        ("1", datetime(2026, 3, 1, 10, tzinfo=UTC), "C1", "EUR", "Cup", 1, Decimal("3.00")),
        ("2", datetime(2026, 3, 2, tzinfo=UTC), "C2", "EUR", "Mug", 1, Decimal("4.50")),
    )
]


def saved(tmp_path: Path, content: bytes, name: str = "orders.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


def csv_of(tmp_path: Path, *rows: str, **keys: Any) -> Walk:
    return mapped(saved(tmp_path, orders_csv(*rows)), **keys)


def test_rows_with_the_same_order_number_make_one_order(tmp_path: Path) -> None:
    found = csv_of(tmp_path, *ROWS)
    assert order_lines(found) == TWO_ORDERS
    first = found.events[0]
    assert (first.event_time, first.customer_id, first.source) == (datetime(2026, 3, 1, 10, tzinfo=UTC), "C1", "shop")
    assert [accepted.key for accepted in found.accepted] == [b"C1", b"C2"]
    assert found.accepted[0].raw == "\n".join(ROWS[:2]).encode()


def test_the_same_events_come_from_every_format_and_packing(tmp_path: Path) -> None:
    plain = orders_csv(*ROWS)
    ids = [event.event_id for event in mapped(saved(tmp_path, plain)).events]
    pq.write_table(pa.Table.from_pylist(TYPED), tmp_path / "orders.parquet")
    rows = [[row[name] for name in COLUMNS] for row in TYPED]
    for row in rows:
        row[1] = row[1].replace(tzinfo=None)
    lines = [json.dumps({**row, "Date": row["Date"].isoformat(), "Price": str(row["Price"])}) for row in TYPED]
    files = [
        saved(tmp_path, gzip.compress(plain), "orders.gz"),
        saved(tmp_path, lzma.compress(plain), "orders.xz"),
        saved(tmp_path, pa.compress(plain, "zstd", asbytes=True), "orders.zst"),
        saved(tmp_path, b"\xef\xbb\xbf" + plain, "mark.csv"),
        saved(tmp_path, plain.decode().encode("utf-16"), "wide.csv"),
        saved(tmp_path, gzip.compress(plain.decode().encode("utf-16")), "wide.csv.gz"),
        saved(tmp_path, plain.replace(b"\n", b"\r"), "mac.csv"),
        saved(tmp_path, plain.replace(b"\n", b"\r\n"), "windows.csv"),
        saved(tmp_path, plain.replace(b",", b";"), "semicolons.csv"),
        saved(tmp_path, plain.replace(b",", b"\t"), "tabs.csv"),
        saved(tmp_path, "\n".join(lines).encode(), "orders.jsonl"),
        saved(tmp_path, f"[{', '.join(lines)}]".encode(), "orders.json"),
        tmp_path / "orders.parquet",
    ]
    for path in files:
        assert [event.event_id for event in mapped(path).events] == ids, path.name
    book = mapped(sheet(tmp_path / "orders.xlsx", COLUMNS, *rows))
    assert [(event.order_id, Decimal(event.total)) for event in book.events] == [("1", 12), ("2", Decimal("4.5"))]


def test_a_file_that_is_ingested_again_has_the_same_ids_and_a_changed_order_another(tmp_path: Path) -> None:
    first = [event.event_id for event in csv_of(tmp_path, *ROWS).events]
    assert [event.event_id for event in csv_of(tmp_path, "3,2026-03-03,C1,EUR,Mug,1,1.00", *ROWS).events][1:] == first
    changed = [event.event_id for event in csv_of(tmp_path, *ROWS[:2], "2,2026-03-02,C2,EUR,Mug,9,4.50").events]
    assert changed[0] == first[0]
    assert changed[1] != first[1]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("1,2026-03-01,C1,EUR,Mug,two,4.50", "quantity is not a number (column Qty)"),
        ("1,2026-03-01,C1,EUR,Mug,1.5,4.50", "quantity is not a whole number (column Qty)"),
        ("1,2026-03-01,C1,EUR,Mug,2,4.12345", "unit_price has more than 4 decimals (column Price)"),
        ("1,2026-03-01,C1,EUR,Mug,2,nan", "unit_price: no value in the column Price"),
        ("1,2026-03-01,C1,Euro,Mug,2,4.50", "currency is no ISO 4217 code;"),
        ("1,2026-03-01,C1,EUR,,2,4.50", "sku: no value in the column Item"),
        ("1,2026-02-30,C1,EUR,Mug,2,4.50", "event_time is no time (column Date)"),
        (
            "1,03/04/2026,C1,EUR,Mug,2,4.50",
            'event_time can be read with the day or the month first; say `format = "dmy"` or `"mdy"` (column Date)',
        ),
        (",2026-03-01,C1,EUR,Mug,2,4.50", "no value in the columns of `group_by`"),
        ("1,2026-03-01,C1,EUR,Mug,2", "6 columns instead of 7"),
        ("1,2026-03-01,C1,EUR,Mug,2,4.50,x", "8 columns instead of 7"),
        ("4.05E+12,2026-03-01,C1,EUR,Mug,2,4.50", "order_id is in scientific notation: digits are lost;"),
        ("17.0,2026-03-01,C1,EUR,Mug,2,4.50", "order_id is a number with a fraction;"),
        ("1,2026-03-01 10:00 CET,C1,EUR,Mug,2,4.50", "event_time has a time zone that is not known;"),
    ],
)
def test_what_is_no_order_is_rejected_with_its_bytes_and_the_reason(tmp_path: Path, row: str, reason: str) -> None:
    found = csv_of(tmp_path, row)
    assert found.counts == (0, 1, 0)
    assert found.rejected[0].reason.startswith(reason)
    assert found.rejected[0].raw == row.encode()
    assert found.rejected[0].position == 2


def test_an_order_with_one_bad_line_is_rejected_as_a_whole(tmp_path: Path) -> None:
    found = csv_of(tmp_path, ROWS[0], "1,2026-03-01 10:00,C1,EUR,Cup,x,3.00", ROWS[2])
    assert [order[0] for order in order_lines(found)] == ["2"]
    assert found.rejected[0].raw.count(b"\n") == 1


def test_rows_of_an_order_that_disagree_are_rejected(tmp_path: Path) -> None:
    found = csv_of(tmp_path, ROWS[0], "1,2026-03-01 10:00,C1,USD,Cup,1,3.00")
    assert found.reasons == {"currency differs between the rows of a group": 1}


def test_rows_of_an_order_that_stand_apart_are_never_two_orders(tmp_path: Path) -> None:
    found = csv_of(tmp_path, ROWS[0], ROWS[2], ROWS[1])
    assert found.counts == (2, 1, 0)
    assert "do not stand together" in found.rejected[0].reason
    assert order_lines(csv_of(tmp_path, ROWS[0], ROWS[2], ROWS[1], rows__together=False)) == TWO_ORDERS


def test_orders_sorted_on_disk_are_those_of_rows_that_stand_together(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(TYPED), tmp_path / "orders.parquet")
    for path in (saved(tmp_path, orders_csv(*ROWS)), tmp_path / "orders.parquet"):
        assert mapped(path, rows__together=False).values == mapped(path).values


def test_amounts_with_decimal_commas_are_exact(tmp_path: Path) -> None:
    content = b'Order;Date;Customer;Currency;Item;Qty;Price\n1;2026-03-01;C1;EUR;Mug;1;"1.234,50 EUR"\n'
    keys: dict[str, Any] = {"values__decimal": ",", "values__thousands": ".", "values__remove": ["EUR"]}
    found = mapped(saved(tmp_path, content), **keys)
    assert order_lines(found) == [("1", [("Mug", 1, "1234.50")], "1234.50")]
    bad = content.replace(b"1.234,50 EUR", b"12.34,50").replace(b"1;2026", b"2;2026")
    assert mapped(saved(tmp_path, bad), **keys).reasons == {"unit_price is not a number (column Price)": 1}


@pytest.mark.parametrize(
    ("text", "keys", "hour"),
    [
        ("01/02/2026 10:00", {"values__format": "dmy"}, "2026-02-01T10"),
        ("01/02/2026 10:00", {"values__format": "mdy"}, "2026-01-02T10"),
        ("1. Feb 2026", {"values__format": "%d. %b %Y", "values__timezone": "Europe/Berlin"}, "2026-01-31T23"),
        ("2026-02-01 10:00:00 +0200", {"values__timezone": "Asia/Tokyo"}, "2026-02-01T08"),
        ("2026-02-01 10:00", {"values__timezone": "Asia/Tokyo"}, "2026-02-01T01"),
        ("2026/02/01 3:45:12 PM GMT+1", {}, "2026-02-01T14"),
        ("2026-02-01T10:00:00.000Z", {}, "2026-02-01T10"),
        ("2026-02-01 10:00 CET", {"values__zones": {"CET": "Europe/Berlin"}}, "2026-02-01T09"),
        ("2026-02-01 10:00 EST", {"values__zones": {"EST": "-05:00"}}, "2026-02-01T15"),
        ("46054.4166667", {"values__format": "excel"}, "2026-02-01T10"),
        ("1769940000", {"values__format": "unix"}, "2026-02-01T10"),
        ("1769940000000", {"values__format": "unix-ms"}, "2026-02-01T10"),
    ],
)
def test_times_are_read_in_the_format_and_the_zone_of_the_mapping(
    tmp_path: Path, text: str, keys: dict[str, object], hour: str
) -> None:
    found = csv_of(tmp_path, f"1,{text},C1,EUR,Mug,2,4.50", **keys)
    assert [f"{event.event_time:%Y-%m-%dT%H}" for event in found.events] == [hour], found.reasons


def test_a_local_time_that_clocks_leave_out_is_rejected(tmp_path: Path) -> None:
    found = csv_of(tmp_path, "1,2026-03-29 02:30,C1,EUR,Mug,2,4.50", values__timezone="Europe/Berlin")
    assert found.rejected[0].reason.startswith("event_time does not exist in its time zone")


def test_a_row_in_another_encoding_is_rejected_with_its_bytes(tmp_path: Path) -> None:
    content = orders_csv(ROWS[2], "3,2026-03-02,C2,EUR,Krüg,1,1.00")
    path = saved(tmp_path, content + "4,2026-03-02,C2,EUR,Krüg,1,1.00\n".encode("latin-1"))
    found = mapped(path)
    assert [order[1][0][0] for order in order_lines(found)] == ["Mug", "Krüg"]
    assert found.rejected[0].raw == "4,2026-03-02,C2,EUR,Krüg,1,1.00".encode("latin-1")
    assert found.rejected[0].reason == "not a CSV row: text that is not utf-8"


def test_a_file_in_the_encoding_of_the_mapping_is_read(tmp_path: Path) -> None:
    for encoding in ("cp1252", "utf-16-le", "utf-16", "shift_jis"):
        text = "ソ" if encoding == "shift_jis" else "Krüg"  # its second byte is a backslash
        path = saved(tmp_path, orders_csv(f"4,2026-03-02,C2,EUR,{text},1,1.00").decode().encode(encoding))
        assert order_lines(mapped(path, file__encoding=encoding)) == [("4", [(text, 1, "1.00")], "1.00")]


def test_wide_text_without_its_mark_is_asked_about(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match=r"file\.encoding"):
        mapped(saved(tmp_path, orders_csv(*ROWS).decode().encode("utf-16-le")))


def test_repeated_headers_blank_rows_and_trailing_separators_are_no_input(tmp_path: Path) -> None:
    header = ",".join(COLUMNS)
    content = "\n".join([f"{header},,", f"{ROWS[2]},,", "", f"{header},,", ",,,,,,,,", ROWS[0], ""])
    found = mapped(saved(tmp_path, content.encode()))
    assert found.counts == (2, 0, 3)
    assert found.reasons == {"repeated header": 1, "empty line": 2}


def test_a_total_line_is_ignored_by_a_rule_and_rejected_without_one(tmp_path: Path) -> None:
    rule = [{"column": "Order", "equals": "Total"}]
    for line in ("Total,,,,,3,12.00", "Total,12.00"):
        assert csv_of(tmp_path, *ROWS, line).counts == (2, 1, 0)
        assert csv_of(tmp_path, *ROWS, line, rows__ignore=rule).counts == (2, 0, 1)


def test_a_quoted_value_may_span_lines(tmp_path: Path) -> None:
    found = csv_of(tmp_path, '1,2026-03-01,C1,EUR,"a ""big""\nmug",2,4.50', ROWS[2])
    assert found.events[0].lines[0].sku == 'a "big"\nmug'
    assert found.counts == (2, 0, 0)


def test_words_for_nothing_are_no_customer(tmp_path: Path) -> None:
    words = ("nan", "N/A", "NULL", "-", "none")
    found = csv_of(tmp_path, *(f"{number},2026-03-01,{word},EUR,x,1,1" for number, word in enumerate(words)))
    assert [event.customer_id for event in found.events] == [None] * len(words)
    assert csv_of(tmp_path, "nan,2026-03-01,C1,EUR,x,1,1").reasons == {"order_id: no value in the column Order": 1}


def test_titles_above_the_header_and_missing_headers_are_named_by_the_mapping(tmp_path: Path) -> None:
    content = orders_csv(*ROWS)
    titled = saved(tmp_path, b"Orders of March\n\n" + content, "titled.csv")
    assert order_lines(mapped(titled, file__header_row=3)) == TWO_ORDERS
    bare = saved(tmp_path, content.split(b"\n", 1)[1], "bare.csv")
    assert order_lines(mapped(bare, file__columns=COLUMNS)) == TWO_ORDERS


def test_ids_that_a_spreadsheet_made_numbers_of_are_read_as_the_mapping_says(tmp_path: Path) -> None:
    row = "17850.0,2026-03-01,C1,EUR,Mug,2,4.50"
    whole = {"column": "Order", "numbers": "whole"}
    assert csv_of(tmp_path, row, fields__order_id=whole).events[0].order_id == "17850"
    assert csv_of(tmp_path, row, fields__order_id=whole | {"numbers": "as-written"}).events[0].order_id == "17850.0"


def test_merged_cells_have_their_value_in_every_row(tmp_path: Path) -> None:
    day = datetime(2026, 3, 1)  # noqa: DTZ001  as a workbook has it
    path = sheet(
        tmp_path / "merged.xlsx",
        COLUMNS,
        [17, day, "C1", "EUR", "Mug", 2, 4.5],
        [None, None, None, None, "Cup", 1, 3],
        [18, day, "C1", "EUR", "Mug", 1, 0.1 + 0.2],
        merged=("A2:A3", "B2:B3", "C2:C3", "D2:D4"),
    )
    lines = [("17", [("Mug", 2, "4.5"), ("Cup", 1, "3")], "12.0"), ("18", [("Mug", 1, "0.3")], "0.3")]
    assert order_lines(mapped(path)) == lines


def test_empty_cells_repeat_the_value_above_where_the_mapping_says_so(tmp_path: Path) -> None:
    found = csv_of(tmp_path, ROWS[0], ",,,,Cup,1,3.00", ROWS[2], rows__fill_down=["Order"])
    assert order_lines(found) == TWO_ORDERS


def test_a_workbook_whose_rows_are_far_apart_ends(tmp_path: Path) -> None:
    path = sheet(tmp_path / "far.xlsx", COLUMNS, ["1", "2026-03-01", "C1", "EUR", "Mug", 1, 2])
    book = openpyxl.load_workbook(path)
    page = book.active
    assert page is not None
    page["Q5"] = "aside"
    book.save(path)
    found = mapped(path)
    assert found.counts == (1, 1, 2)
    assert found.rejected[0].reason == "17 columns instead of 7"


def test_a_number_with_thousands_of_digits_breaks_an_array_cleanly(tmp_path: Path) -> None:
    path = saved(tmp_path, b'[{"Words": "a"}, {"Words": ' + b"9" * 5_000 + b"}]", "digits.json")
    with pytest.raises(Terminal, match="broken after 1 elements"):
        mapped(path, FEEDBACK)


def test_a_workbook_with_several_sheets_asks_which_one(tmp_path: Path) -> None:
    path = sheet(tmp_path / "book.xlsx", COLUMNS, ["1", "2026-03-01", "C1", "EUR", "Mug", 1, 2])
    book = openpyxl.load_workbook(path)
    book.create_sheet("Notes")
    book.save(path)
    with pytest.raises(Terminal, match=r"`file.sheet`, as one of: Orders, Notes"):
        mapped(path)
    assert mapped(path, file__sheet="Orders").counts == (1, 0, 0)


def test_an_order_with_its_lines_in_one_record_is_one_order(tmp_path: Path) -> None:
    order = {"id": 7, "at": "2026-03-01T10:00:00Z", "who": {"id": "C1"}, "items": [{"sku": "A", "n": 2, "p": 12.34}]}
    text = ORDERS.replace('rows.group_by = "Order"', 'rows.lines = "items"')
    for old, new in {
        "Order": "id",
        "Date": "at",
        "Customer": "who.id",
        "Item": "sku",
        "Qty": "n",
        "Price": "p",
    }.items():
        text = text.replace(f'"{old}"', f'"{new}"')
    text = text.replace('{ column = "Currency" }', '{ constant = "EUR" }')
    whole = json.dumps([order, {"id": 8}, 5, order | {"id": 9, "items": "none"}])
    found = mapped(saved(tmp_path, whole.encode(), "orders.json"), text)
    assert order_lines(found) == [("7", [("A", 2, "12.34")], "24.68")]
    assert found.events[0].customer_id == "C1"
    assert [rejected.raw for rejected in found.rejected] == [
        b'{"id": 8}',
        b"5",
        json.dumps(order | {"id": 9, "items": "none"}).encode(),
    ]


def test_a_broken_array_ends_after_its_last_whole_element(tmp_path: Path) -> None:
    for content in (
        b'[{"Words": "a"}, {"Words": "b',
        b'[{"Words": "a"} {"Words": "b"}]',
        b'[{"Words": "a"}] x',
        b"[NaN]",
    ):
        path = saved(tmp_path, content, "broken.json")
        with pytest.raises(Terminal, match="broken after"):
            mapped(path, FEEDBACK)


def test_personal_data_are_replaced_by_pseudonyms(tmp_path: Path) -> None:
    content = b"Timestamp,Stars,Words,Who\n2026-03-01,5,ask ann@example.com,Ann Lee\n2026-03-02,5,x,Ann Lee\n"
    path = saved(tmp_path, content)
    who = {"column": "Who", "pseudonym": "customer"}
    found = mapped(path, FEEDBACK, fields__customer_id=who)
    assert "example.com" not in found.events[0].text
    assert len({event.customer_id for event in found.events}) == 1
    assert "Ann" not in str(found.events)
    orders = csv_of(
        tmp_path, *(f"{n},2026-03-01,{mail},EUR,x,1,1" for n, mail in enumerate(["Ann@x.com", "ann@X.com"]))
    )
    assert len({event.customer_id for event in orders.events}) == 1
    assert "@" not in orders.events[0].customer_id


def test_the_same_answers_are_one_event_and_by_row_two(tmp_path: Path) -> None:
    path = saved(tmp_path, b"Timestamp,Stars,Words\n2026-03-01,5,good\n2026-03-01,5,good\n2026-03-01,4,good\n")
    assert len({event.event_id for event in mapped(path, FEEDBACK).events}) == 2
    by_row = mapped(path, FEEDBACK, fields__feedback_id={"generate": "row"})
    assert len({event.event_id for event in by_row.events}) == 3
    assert all(event.event_id == event.feedback_id for event in by_row.events)


def test_values_mean_what_the_mapping_says(tmp_path: Path) -> None:
    kind = {"column": "Currency", "values": {"Sale": "order", "refund": "return"}}
    rows = ("1,2026-03-01,C1,SALE,Mug,2,4.50", "2,2026-03-01,C1,refund,Mug,-2,4.50", "3,2026-03-01,C1,gift,Mug,1,4.50")
    found = csv_of(tmp_path, *rows, fields__kind=kind, fields__currency={"constant": "EUR"})
    assert [event.kind for event in found.events] == ["order", "return"]
    assert found.events[1].total == "-9.00"
    assert found.rejected[0].reason.startswith("kind is none of the `values`")


def test_an_amount_of_a_line_is_divided_by_its_quantity(tmp_path: Path) -> None:
    found = csv_of(
        tmp_path, "1,2026-03-01,C1,EUR,Mug,3,10.00", lines__unit_price={"column": "Price", "divided_by": "Qty"}
    )
    assert found.events[0].lines[0].unit_price == "3.3333"


def test_reviews_by_a_mapping_are_those_of_their_source_but_for_ids() -> None:
    path = shared("clothing-reviews/womens_clothing_reviews.csv.gz")
    built_in = [outcome.event for outcome in reviews.outcomes(read_pieces(path)) if isinstance(outcome, Accepted)]
    found = mapped(path, REVIEWS)
    assert found.counts == (23_486, 0, 0)
    assert len({event.event_id for event in found.events}) == 23_486
    ids = {"event_id": "", "feedback_id": ""}
    assert [replace(event, **ids) for event in found.events] == [replace(event, **ids) for event in built_in]
