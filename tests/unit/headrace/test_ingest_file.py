"""`headrace ingest file` without a stack: previews, first mappings, questions and wrong options."""

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from headrace import cli
from headrace.contracts.errors import Terminal
from tests.unit.sources.mapped_orders import ORDERS, orders_csv

ROWS = ("1,2026-03-01,C1,EUR,Mug,2,4.50", "2,2026-03-01,C1,EUR,Mug,x,4.50")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.csv").write_bytes(orders_csv(*ROWS))
    (tmp_path / "map.toml").write_text(ORDERS)
    return tmp_path


def ingest(*arguments: str) -> Result:
    return CliRunner().invoke(cli.build_app(), ["ingest", *arguments])


def error_of(*arguments: str) -> str:
    done = ingest(*arguments)
    assert isinstance(done.exception, Terminal), done.output
    return str(done.exception)


def test_a_preview_shows_events_and_what_is_rejected_and_leaves_nothing_behind(folder: Path) -> None:
    before = sorted(folder.iterdir())
    shown = ingest("file", "orders.csv", "--map", "map.toml", "--preview")
    assert shown.exit_code == 0
    assert 'row 2: {"event_id":"shop-1-' in shown.output
    assert (
        "row 3 is rejected: quantity is not a number (column Qty)\n    2,2026-03-01,C1,EUR,Mug,x,4.50" in shown.output
    )
    assert "2 inputs, 1 accepted, 1 rejected, 0 ignored. Nothing was published." in shown.output
    found = json.loads(ingest("file", "orders.csv", "--map", "map.toml", "--preview", "--json").output)
    assert found["counts"] == {"input": 2, "accepted": 1, "rejected": 1, "ignored": 0}
    assert found["events"][0]["total"] == "9.00"
    assert sorted(folder.iterdir()) == before


def test_a_file_without_questions_is_previewed_by_the_guess(folder: Path) -> None:
    shown = ingest("file", "orders.csv", "--topic", "orders", "--preview", "--write-map", "new.toml")
    assert shown.exit_code == 0
    assert "1 accepted" in shown.output
    assert ingest("file", "orders.csv", "--map", "new.toml", "--preview").exit_code == 0
    assert "exists" in error_of("file", "orders.csv", "--topic", "orders", "--write-map", "new.toml")


def test_questions_are_listed_with_their_keys_and_answered_by_options(folder: Path) -> None:
    (folder / "orders.csv").write_text("Order,Date,Item,Qty,Price\n1,01/02/2026,Mug,2,4.50\n")
    asked = error_of("file", "orders.csv", "--topic", "orders", "--preview", "--write-map", "new.toml")
    assert "leaves 2 questions open" in asked
    assert "fields.event_time.format: The dates of Date, such as 01/02/2026, can be read with" in asked
    assert "fields.currency.constant: No column has a currency." in asked
    again = error_of("file", "orders.csv", "--map", "new.toml")
    assert "still asks for fields.event_time.format and fields.currency.constant" in again
    answers = ("--set", "fields.event_time.format=dmy", "--set", "fields.currency.constant=EUR")
    for given in (("--map", "new.toml"), ("--topic", "orders")):
        shown = ingest("file", "orders.csv", *given, "--preview", *answers)
        assert '"event_time":"2026-02-01T00:00:00Z"' in shown.output


def test_a_mapping_is_readable_by_its_owner_only(folder: Path) -> None:
    ingest("file", "orders.csv", "--topic", "orders", "--write-map", "new.toml")
    assert stat.S_IMODE((folder / "new.toml").stat().st_mode) == 0o600


ORDER_ID = 'order_id = "Order"'
KIND = 'kind = { constant = "order" }'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rows.group_by", "curency = 1\nrows.group_by", "`curency` is no key of a mapping. Its keys are topic, source"),
        (
            "[fields]",
            "[values]\ndecimals = 1\n[fields]",
            "`values.decimals` is no key of a mapping. Did you mean `decimal`?",
        ),
        ("[fields]", "[values]\ndecimal = 1\n[fields]", "`values.decimal` is not valid: "),
        (
            "[fields]",
            "[values]\ntimezone = 'Mars'\n[fields]",
            "`fields.event_time.timezone`: there is no time zone Mars.",
        ),
        ("[fields]", "[values]\nformat = 'dmyy'\n[fields]", "`fields.event_time.format`: dmyy is no format."),
        (
            ORDER_ID,
            "order_id = { colum = 'x' }",
            "`fields.order_id.colum` is no key of a mapping. Did you mean `column`?",
        ),
        (ORDER_ID, "order_id = 5", "`fields.order_id` is neither a table nor a text."),
        (ORDER_ID, "order_idd = 'x'", "`fields.order_idd`: the topic orders has no such field. Did you mean order_id?"),
        (ORDER_ID, "", "The mapping does not say what `fields.order_id` is."),
        (ORDER_ID, "order_id = 'Nr'", "has no column Nr. Its columns are Order, Date, Customer"),
        (
            ORDER_ID,
            f"{ORDER_ID}\nlines = 'x'",
            "`fields.lines` is a list. Map the fields of its elements in a table [lines].",
        ),
        ('"sum"', '"content"', "`fields.total`: only an id can be generated of the content."),
        (KIND, "kind = { constant = 'gift' }", "`fields.kind.constant` is none of adjustment, order, return"),
        (KIND, "kind = { column = 'x', constant = 'order' }", "`fields.kind` has column and constant."),
        (KIND, "kind = {}", "`fields.kind` has neither `column` nor `constant`."),
        ('group_by = "Order"', "ignore = [{ column = 'x' }]", "`rows.ignore[1]` needs one condition."),
        ('group_by = "Order"', "ignore = [{ column = 'x', pattern = '(' }]", "is no regular expression"),
        ('"orders"', '["', "is not TOML"),
    ],
)
def test_a_mapping_that_is_wrong_is_refused_by_the_name_of_its_key(
    folder: Path, old: str, new: str, message: str
) -> None:
    assert ORDERS.count(old) == 1
    (folder / "map.toml").write_text(ORDERS.replace(old, new))
    assert message in error_of("file", "orders.csv", "--map", "map.toml", "--preview")


def test_options_of_other_sources_and_missing_ones_are_refused() -> None:
    assert "has no option --station" in error_of("file", "orders.csv", "--map", "map.toml", "--station", "x")
    assert "has no option --map" in error_of("reviews", "orders.csv", "--map", "map.toml")
    assert "Which column is which field?" in error_of("file", "orders.csv", "--topic", "orders")
    assert "Did you mean orders?" in error_of("file", "orders.csv", "--topic", "order", "--preview")
    assert "Which topic" in error_of("file", "orders.csv", "--preview")
    assert "is for the topic orders" in error_of(
        "file", "orders.csv", "--map", "map.toml", "--topic", "customers", "--preview"
    )
    assert "one of google-forms, magento, shopify" in error_of("file", "orders.csv", "--map", "none", "--preview")
    assert "cannot be read" in error_of("file", "none.csv", "--map", "map.toml", "--preview")
