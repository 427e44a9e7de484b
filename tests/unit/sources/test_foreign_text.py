"""Parsers of posts, feedback and files fail for no text, and take time proportional to its length."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cases.data_science.sources.texts import reviews
from headrace.cases.ecommerce.sources.order_book import online_retail
from headrace.cases.ecommerce.sources.order_book.online_retail import RawLine, understand
from headrace.contracts.texts import MAX_MARKS, normalized, unescape
from headrace.streaming.sources.html_text import html_to_text
from headrace.streaming.sources.rows import read_rows
from tests.unit.doubling import assert_linear
from tests.unit.sources.walking import pieces

HTML = (
    "<a ", "<a>", "<!--", "<!-->", "<b></p>", '<a x="', "<a x='", "<a b=", "<", "</", "</a", "<!", "<?", "<![", "&#",
    "&#9", "&a", "<script>", "</script", "<script></", "<style", "<a =", "<a = ", "<br", "<p\n", "--!>", "\n\n \n",
)  # fmt: skip


@pytest.mark.parametrize("unit", HTML)
def test_html_is_read_in_time_proportional_to_its_length(unit: str) -> None:
    assert_linear(html_to_text, lambda parts: unit * parts, 10_000)


def test_two_hundred_thousand_unfinished_tags_are_read_at_once() -> None:
    assert html_to_text("a" + "<a " * 200_000) == "a" + ("<a " * 200_000).strip()


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a <b>c</b> <d", "a c <d"),
        ("1 < 2 <3 <> </> <!x>", "1 < 2 <3 <>"),
        ("<a title=\"a>b\" href='c>d'>e</a>", "e"),
        ("<!-- a > b -->c<!-- d", "c<!-- d"),
        ("<SCRIPT>if (a<b) </p></ScRiPt >c", "c"),
        ("<script>never closed", ""),
        ("<![CDATA[x]]>y<?php z?>", "y"),
        ("&#x41;&#" + "0" * 5_000 + "66;&#" + "9" * 5_000 + ";", "AB\ufffd"),
    ],
)
def test_odd_markup_is_read_as_browsers_do_and_no_text_is_lost(html: str, text: str) -> None:
    assert html_to_text(html) == text


@given(st.lists(st.sampled_from([*HTML, "</script>", "-->", ">", "/", "'", '"', " ", "x", "\0", "\ud800", "ß"])))
def test_no_markup_makes_the_reader_of_html_fail(parts: list[str]) -> None:
    assert isinstance(html_to_text("".join(parts)), str)


@pytest.mark.parametrize("marks", ["\u0327\u0301", "\u0344", "\u0301\u0300"])
def test_combining_marks_without_end_are_normalized_in_linear_time(marks: str) -> None:
    assert_linear(normalized, lambda parts: "a" + marks * parts, 20_000)
    assert len(normalized("e" + "\u0301" * 5_000)) == MAX_MARKS


def test_ordinary_words_are_normalized_as_before() -> None:
    assert normalized("cafe\u0301 " * 500) == "café " * 500
    assert unescape("&eacute;&#233;&#xe9;&amp &lt;") == "ééé& <"


CSV: dict[str, Callable[[int], bytes]] = {
    "every row is unterminated": lambda parts: b'a",b,"\n' * parts,
    "a quotation mark that is not closed": lambda parts: b'1,"\n' + b"1,2,t,t,3,Tops\n" * parts,
    "a quotation mark in each line": lambda parts: b'1,2,t,"t,3,Tops\n' * parts,
    "rows of the wrong length that span lines": lambda parts: b'1,"\n",' * parts,
}


@pytest.mark.parametrize("content", CSV.values(), ids=CSV.keys())
def test_csv_is_read_in_time_proportional_to_its_length(content: Callable[[int], bytes]) -> None:
    def read(given: bytes) -> int:
        _, rows = read_rows(pieces(b",".join(name.encode() for name in reviews.COLUMNS) + b"\n" + given))
        return sum(1 for _ in rows)

    assert_linear(read, content, 4_000)


@pytest.mark.parametrize("column", online_retail.COLUMNS)
def test_a_field_of_an_order_book_is_read_in_linear_time(column: str) -> None:
    row = dict.fromkeys(online_retail.COLUMNS, "1") | {"InvoiceDate": "2010-12-01"}

    def read(text: str) -> None:
        try:
            understand(RawLine(1, row | {column: text}, b"", date_order="dmy"))
        except online_retail.InvalidRow:
            return

    for unit in ("1", "1.", "-", "1/", " ", "0.0"):
        assert_linear(read, lambda parts, unit=unit: unit * parts, 50_000)
