"""Reviews, weather and the order book: rows to events, with the figures known of the real files."""

import gzip
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cases.data_science.sources.texts import reviews
from headrace.cases.data_science.sources.weather import files as weather
from headrace.cases.ecommerce.sources.order_book import online_retail
from headrace.contracts.errors import Terminal
from headrace.streaming.sources.dates import DateOrder
from headrace.streaming.sources.file_source import Options
from headrace.streaming.sources.rows import read_rows
from headrace.streaming.sources.times import UNDATED
from tests.shared_data import shared
from tests.unit.sources.walking import Walk, pieces, walk, walk_file

HEADER = b",Clothing ID,Title,Review Text,Rating,Department Name\n"
HOURLY = b"origin,temp,dewp,humid,wind_dir,wind_speed,wind_gust,precip,pressure,visib,time_hour\n"
DAILY = b"date,precipitation,temp_max,temp_min,wind,weather\n"
BOOK = b"InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"


def review(content: bytes) -> Walk:
    return walk(reviews.outcomes(pieces(HEADER + content)))


def observe(content: bytes) -> Walk:
    return walk(weather.outcomes(pieces(content), "somewhere"))


def sell(tmp_path: Path, content: bytes, date_order: DateOrder | None = None, header: bytes = BOOK) -> Walk:
    path = tmp_path / "book.csv"
    path.write_bytes(header + content)
    return walk(online_retail.outcomes(online_retail.read_lines(path, date_order)))


def sold_at(tmp_path: Path, *dates: str, date_order: DateOrder | None = None) -> list[datetime | None]:
    """The time of an order for each date, as a file with all of them is read; None where it is rejected."""
    rows = "".join(f"{number},A,x,1,{date},1.00,,\n" for number, date in enumerate(dates))
    times = {event.order_id: event.event_time for event in sell(tmp_path, rows.encode(), date_order).events}
    return [times.get(str(number)) for number in range(len(dates))]


def test_every_review_is_accepted_with_or_without_words(tmp_path: Path) -> None:
    found = walk_file(tmp_path, "reviews", shared("clothing-reviews/womens_clothing_reviews.csv.gz"))
    assert found.counts == (23_486, 0, 0)
    assert len({event.event_id for event in found.events}) == 23_486
    assert {event.event_time for event in found.events} == {UNDATED}
    assert any(event.text is None and event.title is None for event in found.events)
    assert found.events[1].subject == "Dresses"
    assert found.events[1].product_id == "1080"
    assert found.events[1].text.startswith("Love this dress!  it's sooo pretty.")


def test_a_review_may_span_lines_and_hold_quotes() -> None:
    found = review(b'0,1,"a ""b""","one\ntwo",5,Tops\n\n1,2,,,3,\n')
    assert found.counts == (2, 0, 1)
    assert (found.events[0].title, found.events[0].text) == ('a "b"', "one\ntwo")
    assert found.accepted[0].raw == b'0,1,"a ""b""","one\ntwo",5,Tops'
    assert found.events[1].subject is None


@pytest.mark.parametrize("rating", [b"4", b"4.0", b"4.", b" 4.00 "])
def test_stars_written_as_a_fraction_are_stars(rating: bytes) -> None:
    assert [event.rating for event in review(b"0,1,t,t," + rating + b",Tops\n").events] == [4]


def test_a_review_may_be_as_long_as_a_record() -> None:
    long = b"fine " * 40_000
    found = review(b"0,1,t," + long + b',5,Tops\n1,1,t,"' + long + b'\n",5,Tops\n')
    assert [len(event.text) for event in found.events] == [199_999] * 2


@pytest.mark.parametrize("rating", [b"0", b"6", b"", b"4.5", b"4.01", b"five", b"4.0.0"])
def test_an_invalid_rating_is_rejected(rating: bytes) -> None:
    assert review(b"0,1,t,t," + rating + b",Tops\n").counts == (0, 1, 0)


def test_a_stray_quote_costs_its_own_line_and_no_other() -> None:
    good = b"1,2,t,t,3,Tops\n"
    found = review(b'0,1,"open,t,5,Tops\n' + good * 20 + b"short,row\n" + b"x" * 1_100_000 + b"\n" + good)
    assert found.counts == (21, 3, 0)
    assert found.rejected[0].raw == b'0,1,"open,t,5,Tops'
    assert found.rejected[2].size == 1_100_000


@given(st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"a", b"\xe9", b"1,2,t,t,3,Tops\n", b"\0"]), max_size=30))
def test_no_csv_makes_the_source_fail_and_every_line_is_accounted_for(parts: list[bytes]) -> None:
    _, rows = read_rows(pieces(HEADER + b"".join(parts)))
    content = b"".join(parts)
    assert b"\n".join(row.raw for row in rows) == content.removesuffix(b"\n")
    review(content)


def test_another_files_header_is_refused() -> None:
    for content in (b"", b"a,b\n1,2\n"):
        with pytest.raises(Terminal):
            list(reviews.outcomes(pieces(content)))


def test_hourly_observations_come_in_si_units(tmp_path: Path) -> None:
    found = walk_file(tmp_path, "weather", shared("weather-ewr-hourly/weather_ewr_2013.csv.gz"))
    assert found.counts == (8_702, 0, 0)
    assert len({(event.station, event.event_time) for event in found.events}) == 8_702
    first = found.events[0]
    assert (first.station, first.event_time) == ("EWR", datetime(2013, 1, 1, 6, tzinfo=UTC))
    assert (first.temperature_c, first.dew_point_c, first.period_s) == (3.9, -3.3, 3_600)
    assert (first.visibility_m, first.pressure_hpa, first.wind_gust_ms) == (16_093.44, 1_012.0, None)
    assert len(found.values) == 8_702


def test_daily_observations_belong_to_their_own_day(tmp_path: Path) -> None:
    found = walk_file(tmp_path, "weather", shared("weather-seattle/seattle-weather.csv"))
    assert found.counts == (1_461, 0, 0)
    first = found.events[0]
    assert (first.station, first.condition) == ("seattle", "drizzle")
    assert first.event_time == datetime(2012, 1, 1, 23, 59, 59, tzinfo=UTC)
    assert (first.temperature_max_c, first.wind_speed_ms) == (12.8, 4.7)


def test_units_are_converted_exactly() -> None:
    (event,) = observe(HOURLY + b"X,212,-40,50,0,100,10,1,1000,1,2013-01-01T06:00:00Z\n").events or [None]
    assert event is None
    (event,) = observe(HOURLY + b"X,100.4,-40,50,0,100,10,1,1000,1,2013-01-01T06:00:00Z\n").events
    assert (event.temperature_c, event.dew_point_c) == (38.0, -40.0)
    assert (event.wind_speed_ms, event.precipitation_mm, event.visibility_m) == (44.704, 25.4, 1_609.344)


@pytest.mark.parametrize("missing", [b"", b"NA", b"NaN", b"null"])
def test_missing_values_are_null(missing: bytes) -> None:
    (event,) = observe(HOURLY + b",".join([b"X", *[missing] * 9, b"2013-01-01T06:00:00Z"]) + b"\n").events
    assert event.temperature_c is None


@pytest.mark.parametrize(
    ("wind", "time"),
    [
        (b"1000", b"2013-01-01T06:00:00Z"),
        (b"-1", b"2013-01-01T06:00:00Z"),
        (b"inf", b"2013-01-01T06:00:00Z"),
        (b"9e999999", b"2013-01-01T06:00:00Z"),
        (b"strong", b"2013-01-01T06:00:00Z"),
        (b"1", b"yesterday"),
        (b"1", b""),
    ],
)
def test_impossible_weather_is_refused(wind: bytes, time: bytes) -> None:
    assert observe(HOURLY + b"X,50,50,50,0," + wind + b",,,,," + time + b"\n").counts == (0, 1, 0)


def test_a_lowest_temperature_above_the_highest_is_refused() -> None:
    assert observe(DAILY + b"2012-01-01,0,5,6,1,sun\n").counts == (0, 1, 0)


def test_the_order_book_gives_its_known_figures(tmp_path: Path) -> None:
    found = walk_file(tmp_path, "online-retail", shared("online-retail/online_retail_to_2011-08.parquet"))
    orders, customers = found.of("orders"), found.of("customers")
    assert (len(orders), found.rejected, found.ignored) == (16_459, [], [])
    assert sum(Decimal(order.total) for order in orders) == Decimal("5761931.3820")
    for kind, total in (("order", "6293764.0020"), ("return", "-520770.5600"), ("adjustment", "-11062.0600")):
        assert sum(Decimal(order.total) for order in orders if order.kind == kind) == Decimal(total)
    assert sum(len(order.lines) for order in orders) == 320_705
    assert len({customer.customer_id for customer in customers}) == 3_360
    assert len(customers) == 3_370
    assert sum(order.kind == "order" and order.customer_id is not None for order in orders) == 11_415
    times = [item.event.event_time for item in found.accepted]
    assert times == sorted(times)
    assert len({item.event.event_id for item in found.accepted}) == len(found.accepted)
    assert orders[0].customer_id == "17850"
    assert found.accepted[0].topic == "customers"
    assert len(found.values) == len(found.accepted)


def test_csv_and_its_second_edition_read_like_parquet(tmp_path: Path) -> None:
    content = (
        b"536365,85123A,HOLDER,6,12/1/2010 8:26,2.55,17850.0,United Kingdom\n"
        b"536365,85123A,HOLDER,6,12/1/2010 8:26,2.55,17850,United Kingdom\n"
    )
    found = sell(tmp_path, content, "mdy")
    assert found.counts == (2, 0, 0)
    customer, order = found.events
    assert (order.order_id, order.total, len(order.lines), order.customer_id) == ("536365", "30.60", 2, "17850")
    assert order.event_time == datetime(2010, 12, 1, 8, 26, tzinfo=UTC)
    assert (customer.registered_at, customer.country) == (order.event_time, "United Kingdom")
    renamed = BOOK.replace(b"InvoiceNo", b"Invoice").replace(b"UnitPrice", b"Price")
    renamed = renamed.replace(b"CustomerID", b"Customer ID")
    path = tmp_path / "second.csv.gz"
    path.write_bytes(gzip.compress(renamed + content))
    again = walk(online_retail.outcomes(online_retail.read_lines(path, "mdy")))
    assert again.events == found.events


FIRST, THIRTEENTH = datetime(2010, 12, 1, 8, 26, tzinfo=UTC), datetime(2010, 12, 13, 8, 26, tzinfo=UTC)


@pytest.mark.parametrize(
    "dates",
    [
        ("01/12/2010 08:26", "13/12/2010 08:26"),
        ("12/1/2010 8:26", "12/13/2010 8:26"),
        ("12/1/10 8:26", "12/13/10 8:26"),
        ("1/12/10 8:26", "13/12/10 8:26"),
        ("01.12.2010 08:26:00", "13.12.2010 08:26"),
        ("12-01-2010 08:26 AM", "12-13-2010 08:26 am"),
        ("2010-12-01T08:26:00Z", "13/12/2010 08:26"),
        ("2010/12/1 8:26", "2010/12/13 8:26:00.000"),
    ],
)
def test_the_file_decides_whether_the_day_or_the_month_comes_first(tmp_path: Path, dates: tuple[str, str]) -> None:
    assert sold_at(tmp_path, *dates) == [FIRST, THIRTEENTH]
    assert sold_at(tmp_path, *reversed(dates)) == [THIRTEENTH, FIRST]


@pytest.mark.parametrize("dates", [("01/12/2010 08:26", "05/05/2010 08:26"), ("13/12/2010 08:26", "12/13/2010 08:26")])
def test_dates_that_read_both_ways_are_asked_about_before_anything_goes_out(
    tmp_path: Path, dates: tuple[str, str]
) -> None:
    with pytest.raises(Terminal, match="--date-format"):
        sold_at(tmp_path, *dates)
    rows = [(str(number), "A", "x", 1, date, 1.0, "", "") for number, date in enumerate(dates)]
    path = tmp_path / "book.parquet"
    columns = dict(zip(online_retail.COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
    pq.write_table(pa.table(columns), path)
    with pytest.raises(Terminal, match="--date-format"):
        next(online_retail.read_lines(path))


def test_a_date_order_that_is_given_holds_for_every_row(tmp_path: Path) -> None:
    dates = ("1/12/10 8:26", "13/12/2010 08:26", "12/13/2010 08:26", "5/5/69 12:00 AM", "2010-12-01 08:26")
    assert sold_at(tmp_path, *dates, date_order="dmy") == [
        FIRST, THIRTEENTH, None, datetime(1969, 5, 5, tzinfo=UTC), FIRST,
    ]  # fmt: skip
    assert sold_at(tmp_path, "10/12/01 8:26", date_order="ymd") == [FIRST]
    assert sold_at(tmp_path, "5/5/2010 12:30 PM") == [datetime(2010, 5, 5, 12, 30, tzinfo=UTC)]


@pytest.mark.parametrize(
    "date", ["31/02/2010 8:26", "1/1/201 8:26", "1/1/2010 25:00", "1/1/2010 13:00 PM", "0/0/0", "1/1-10"]
)
def test_an_invalid_date_is_rejected_in_any_order(tmp_path: Path, date: str) -> None:
    assert sold_at(tmp_path, date, "2010-12-01 08:26") == [None, FIRST]


@pytest.mark.parametrize("word", ["nan", "NaN", "NULL", "null", "\\N", "<NA>", "N/A", "", "   ", '" "'])
def test_a_placeholder_for_the_customer_is_a_guest(tmp_path: Path, word: str) -> None:
    found = sell(tmp_path, f"1,A,x,1,2010-12-01 08:26:00,1.00,{word},UK\n".encode())
    assert [(order.order_id, order.customer_id) for order in found.of("orders")] == [("1", None)]
    assert found.of("customers") == []
    assert found.accepted[0].key == b"1"


@pytest.mark.parametrize("header", [BOOK, b'"' + BOOK.strip().replace(b",", b'","') + b'"\r\n'])
def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path, header: bytes) -> None:
    found = sell(tmp_path, b"1,A,x,1,2010-12-01 08:26:00,1.00,7,UK\n", header=b"\xef\xbb\xbf" + header)
    assert found.counts == (2, 0, 0)


@pytest.mark.parametrize(
    ("given", "price"),
    [("2.550000", "2.55"), ("2.00000", "2"), ("-0.500000", "-0.5"), ("2.5000", "2.5000"), ("1E2", "100")],
)
def test_zeros_beyond_the_decimals_of_money_are_left_out(tmp_path: Path, given: str, price: str) -> None:
    (order,) = sell(tmp_path, f"1,A,x,1,2010-12-01 08:26:00,{given},,\n".encode()).events
    assert order.lines[0].unit_price == price


def test_rows_that_are_no_invoice_lines_are_inputs_of_their_own(tmp_path: Path) -> None:
    good = b"1,A,x,1,2010-12-01 08:26:00,1.00,,\n"
    bad = [
        b",A,x,1,2010-12-01 08:26:00,1.00,,",
        b"1,,x,1,2010-12-01 08:26:00,1.00,,",
        b"1,A,x,1.5,2010-12-01 08:26:00,1.00,,",
        b"1,A,x,99999999999999999999,2010-12-01 08:26:00,1.00,,",
        b"1,A,x,1,2010-12-01 08:26:00,1.00001,,",
        b"1,A,x,1,2010-12-01 08:26:00,1E999999999,,",
        b"1,A,x,1,2010-12-01 08:26:00,free,,",
        b"1,A,x,1,2010-13-01 08:26:00,1.00,,",
        b"1,A,x,1",
    ]
    found = sell(tmp_path, good + b"\n".join(bad) + b"\n,,,,,,,\n" + good)
    assert found.counts == (1, len(bad), 1)
    assert [rejected.raw for rejected in found.rejected] == bad
    assert found.events[0].total == "2.00"


def test_a_customer_who_moves_is_sent_again(tmp_path: Path) -> None:
    rows = [b"%d,A,x,1,2010-12-0%d 08:26:00,1,7,%s\n" % (n, n, c) for n, c in ((1, b"UK"), (2, b"UK"), (3, b"France"))]
    found = sell(tmp_path, b"".join(rows))
    customers = found.of("customers")
    assert [(c.country, c.event_time.day, c.registered_at.day) for c in customers] == [("UK", 1, 1), ("France", 3, 1)]


def test_an_order_too_large_for_a_record_is_refused_by_the_edge_check(tmp_path: Path) -> None:
    found = sell(tmp_path, b"1,A,%s,1,2010-12-01 08:26:00,99999999999999,,\n" % (b"x" * 90) * 12_000)
    with pytest.raises(Exception, match="longer than"):
        _ = found.values


@pytest.mark.parametrize("content", [b"PK\x03\x04 workbook", b"PAR1 not really", b"a,b\n1,2\n"])
def test_other_files_are_refused_clearly(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "book"
    path.write_bytes(content)
    with pytest.raises(Terminal):
        walk_file(tmp_path, "online-retail", path)


def test_an_option_that_a_source_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="--follow"):
        walk_file(tmp_path, "weather", shared("weather-seattle/seattle-weather.csv"), Options(follow=True))
    with pytest.raises(Terminal, match="no source"):
        walk_file(tmp_path, "tea-leaves", tmp_path)
