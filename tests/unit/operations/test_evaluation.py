"""Windows from files: read as `headrace ingest` reads them, rejected if the label is unknown or was learned from."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.models import evaluation
from headrace.models.artifact import Rejected
from headrace.operations import windows

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
LINES = (
    "1,A,a,2,2011-03-01 10:00,2.50,7,France",
    "1,A,a,2,2011-03-01 10:01,2.50,7,France",  # an exact duplicate counts; of two times the first does
    "2,B,b,1,2011-03-20 10:00,1.25,7,France",
    "C3,B,b,-1,2011-03-21 10:00,1.25,7,France",
    "A4,B,b,1,2011-03-21 11:00,-99,7,France",
    "5,A,a,1,2011-03-22 10:00,3.00,,France",
    "6,A,a,1,2011-03-25 10:00,3.00,8.0,France",
    "x,A,a,many,2011-03-26 10:00,3.00,8,France",
    "7,A,a,1,2011-04-10 10:00,3.00,8,France",
    "8,A,a,1,2011-04-30 09:00,3.00,9,France",
)
CUTOFF = datetime(2011, 4, 1, tzinfo=UTC)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.csv"
    path.write_text("\n".join((HEADER, *LINES)) + "\n")
    return path


def test_an_order_book_is_counted_as_the_warehouse_counts_it(tmp_path: Path, book: Path) -> None:
    window = windows.behavior_window(Settings(home=tmp_path), book, CUTOFF).to_dicts()
    assert [(row["customer_id"], row["ordered"]) for row in window] == [("7", False), ("8", True)]
    first = window[0]
    assert (first["orders"], first["returns"], first["monetary_value"], first["mean_basket_lines"]) == (2, 1, 10.0, 1.5)
    assert first["tenure_days"] == 30 + 14 / 24
    assert first["last_gap_days"] == 19


def test_a_label_not_known_yet_and_a_cutoff_before_any_customer_are_rejected(tmp_path: Path, book: Path) -> None:
    settings = Settings(home=tmp_path)
    with pytest.raises(Terminal, match="ends 2011-04-30 09:00: it does not cover the 30 days after 2011-04-03"):
        windows.behavior_window(settings, book, datetime(2011, 4, 3, tzinfo=UTC))
    with pytest.raises(Terminal, match="No customer"):
        windows.behavior_window(settings, book, datetime(2011, 2, 1, tzinfo=UTC))


def test_labeled_texts_of_three_classes_are_posts_and_of_two_feedback(tmp_path: Path) -> None:
    three, two = tmp_path / "three.tsv", tmp_path / "two.tsv"
    three.write_text("I love this show\t2\nit starts at nine today\t1\nI hate this rain\t0\nI love this show\t2\n\t1\n")
    two.write_text("Good case, excellent value.\t1\nPoor battery life\t0\n")
    settings = Settings(home=tmp_path)
    posts = windows.sentiment_window(settings, three)
    assert posts["subject"].unique().to_list() == ["post"]
    assert sorted(posts["label"]) == ["negative", "neutral", "positive"]
    assert windows.sentiment_window(settings, two)["subject"].unique().to_list() == ["feedback"]
    assert windows.sentiment_window(settings, two, "social_media")["subject"].unique().to_list() == ["post"]


def test_training_texts_are_left_out_and_a_file_of_nothing_else_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "three.tsv"
    path.write_text("I love this show\t2\nit starts at nine today\t1\nI hate this rain\t0\n")
    window = windows.sentiment_window(Settings(home=tmp_path), path)
    learned = window.filter(pl.col("label") == "positive").select(
        "subject", "subject_id", "source", "authored_at", "text", "language", "label"
    )
    left = evaluation.unseen("sentiment", CUTOFF, learned, window)
    assert sorted(left["label"]) == ["negative", "neutral"]
    with pytest.raises(Rejected, match="every text"):
        evaluation.unseen("sentiment", CUTOFF, learned, window.filter(pl.col("label") == "positive"))


def test_sessions_most_of_which_were_learned_from_are_refused_and_some_alike_are_not() -> None:
    sessions = pl.DataFrame({"pages": [1, 2, 3, 4], "bought": [True, False, False, True], "session": list("abcd")})
    assert evaluation.unseen("intent-shoppers", CUTOFF, sessions.head(2), sessions).equals(sessions)
    with pytest.raises(Rejected, match="3 of the file's 4 sessions"):
        evaluation.unseen("intent-shoppers", CUTOFF, sessions.head(3), sessions)
