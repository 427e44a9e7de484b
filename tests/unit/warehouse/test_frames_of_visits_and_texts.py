"""The frames of visits and of texts, over small tables: what a row is, what it may see, what it is labeled."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from headrace.warehouse.frames import FOLDER
from headrace.warehouse.tables import table

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'; create schema core; create schema raw")
        yield connection


def visits(
    connection: duckdb.DuckDBPyConnection, *hits: tuple[str, float, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The frame over these hits (visitor, minutes, fields), its rows by visitor and start of the session key."""
    connection.execute("""
        create table core.web_events (
            event_id varchar, event_time timestamptz, event_date date, visitor_id varchar, browser_id varchar,
            path varchar, pixel_event varchar,
            session_id varchar, customer_id varchar, sku varchar, quantity bigint, unit_price decimal(18, 4),
            currency varchar,
            order_id varchar, device varchar, referrer varchar, is_bot boolean
        )
    """)
    for number, (visitor, minutes, fields) in enumerate(hits):
        row = {"path": "/", "device": "desktop", "is_bot": False} | fields
        time = START + timedelta(minutes=minutes)
        row |= {"event_id": str(number), "visitor_id": visitor, "browser_id": visitor}
        row |= {"event_time": time, "event_date": time.date()}
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        connection.execute(f"insert into core.web_events ({names}) values ({marks})", list(row.values()))
    connection.execute(f"create table core.web_sessions as {table('core.web_sessions').sql}")
    rows = connection.execute((FOLDER / "intent.sql").read_text()).pl().to_dicts()
    return {f"{row['visitor_id']}{row['session_key']}": row for row in rows}


def page(visitor: str, minutes: float, path: str = "/", **fields: Any) -> tuple[str, float, dict[str, Any]]:
    return visitor, minutes, {"path": path} | fields


def pixel(visitor: str, minutes: float, event: str, **fields: Any) -> tuple[str, float, dict[str, Any]]:
    return visitor, minutes, {"path": "/px", "pixel_event": event} | fields


def test_a_visit_has_features_up_to_its_third_page_and_its_label_from_what_follows(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    cart = {"sku": "X", "quantity": 2, "unit_price": "2.50"}
    rows = visits(
        connection,
        # A buys, having put one thing into the cart before the third page and one after it.
        page("A", 0, session_id="s"),
        pixel("A", 0.1, "page_view", session_id="s"),
        page("A", 1, "/product/X"),
        pixel("A", 1.5, "add_to_cart", session_id="s", customer_id="C", currency="GBP", **cart),
        pixel("A", 1.6, "add_to_cart", session_id="s", currency="JPY", **cart),
        page("A", 2, "/product/Y"),
        pixel("A", 2.5, "add_to_cart", session_id="s", **cart),
        pixel("A", 3, "purchase", session_id="s", order_id="1"),
        # B leaves after three pages, known by the pixel alone; comes back, and buys before the third page.
        *(pixel("B", 10 * number, "page_view") for number in range(3)),
        *(page("B", 500 + number) for number in range(2)),
        pixel("B", 502, "purchase", order_id="2"),
        *(page("B", 503 + number) for number in range(2)),
        # and once more, with nothing in the cart.
        *(page("B", 2_000 + number, f"/{number}") for number in range(4)),
        # Two pages only, and a robot.
        *(page("C", number) for number in range(2)),
        *(page("D", number, is_bot=True) for number in range(5)),
    )
    assert len(rows) == 3
    bought = next(row for key, row in rows.items() if key.startswith("As"))
    assert (bought["bought"], bought["add_to_cart_events"], bought["cart_value"], bought["product_pages"]) == (
        True,
        2,
        5.0,
        2,
    )
    assert (bought["seconds_so_far"], bought["distinct_pages"], bought["is_known"]) == (120.0, 3, 1)
    assert bought["cutoff"] == START + timedelta(minutes=2)
    first, last = (row for key, row in rows.items() if key.startswith("B"))
    assert (first["bought"], first["earlier_visits"], first["days_since_visit"]) == (False, 0, None)
    assert (last["bought"], last["earlier_visits"], last["earlier_purchases"]) == (False, 2, 1.0)
    assert last["days_since_visit"] == pytest.approx((2_000 - 504) / 1_440)


def test_nothing_after_the_third_page_changes_what_is_seen_of_a_visit(connection: duckdb.DuckDBPyConnection) -> None:
    three = [page("A", number, f"/product/{number}") for number in range(3)]
    after = [pixel("A", 4, "add_to_cart", sku="X", quantity=9, unit_price="9"), pixel("A", 5, "purchase", order_id="1")]
    (alone,) = visits(connection, *three).values()
    connection.execute("drop table core.web_events; drop table core.web_sessions")
    (followed,) = visits(connection, *three, *after, page("A", 3_000)).values()
    assert followed == alone | {"bought": True}


def test_texts_are_labeled_by_people_or_by_stars(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("""
        create table core.posts as
            select * from (values
                ('twitter', '1', now(), 'so good', 'en', 'positive', false),
                ('bluesky', '2', now(), 'no label', 'en', null, false),
                ('twitter', '3', now(), null, 'en', 'negative', true)
            ) as posts(platform, post_id, posted_at, text, language, label, is_deleted);
        create table core.feedback as
            select * from (values
                ('a', 'review', now(), 'negative', null, 'bad', null),
                ('b', 'review', now(), 'neutral', 'Title', 'so so', null),
                ('c', 'form', now(), 'positive', 'Only a title', null, null),
                ('d', 'import', now(), null, null, 'judged', 'negative'),
                ('e', 'form', now(), null, null, 'no stars', null),
                ('f', 'form', now(), 'positive', null, null, null)
            ) as feedback(feedback_id, channel, submitted_at, rating_label, title, text, label)
    """)
    rows = connection.execute((FOLDER / "sentiment.sql").read_text()).pl().to_dicts()
    assert {(row["subject"], row["subject_id"], row["source"], row["text"], row["label"]) for row in rows} == {
        ("post", "twitter/1", "twitter", "so good", "positive"),
        ("feedback", "a", "review", "bad", "negative"),
        ("feedback", "b", "review", "Title\nso so", "neutral"),
        ("feedback", "c", "form", "Only a title", "positive"),
        ("feedback", "d", "import", "judged", "negative"),
    }
