"""`headrace test`: unit tests of tables and processors, those of the cases, and what the command says of wrong ones."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from time import process_time

import pytest
from typer.testing import CliRunner, Result

from headrace import cli
from headrace.contracts.errors import Terminal
from headrace.contracts.exit_codes import ExitCode
from headrace.contracts.setting_names import CONFIG_VARIABLE
from headrace.operations.unit_tests.differences import compare
from headrace.operations.unit_tests.discovery import find
from headrace.operations.unit_tests.files import UnitTest, read
from headrace.operations.unit_tests.running import run
from headrace.streaming.processors.registry import all_processors
from headrace.warehouse.tables import Grouping, table
from headrace.warehouse.unit_testing.run import build, build_in_two_steps
from tests.pages import Shell

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "test-tables-and-processors.md"
CASES = find([])
SALE = "order_date: 2026-01-01, country: NO, channel: web, currency: EUR, kind: order"
RIGHT = f"""unit_tests:
  # what matters
  - name: sums
    table: marts.sales_daily
    given:
      core.orders:
        - {{order_id: "007", {SALE}, revenue: 12345678901234567890.1234}}
    expect:
      - {{sale_date: 2026-01-01, country: NO, channel: web, currency: EUR, revenue: 12345678901234567890.1234}}
"""


@pytest.mark.parametrize("case", CASES, ids=lambda test: f"{test.subject}: {test.name}")
def test_the_unit_tests_of_the_cases_pass_within_a_second(case: UnitTest) -> None:
    assert run(case).problems == ()
    started = process_time()  # the first run also reads the types of the tables
    run(case)
    assert process_time() - started < 1


def test_the_cases_test_eight_tables_and_all_processors() -> None:
    tested = {(test.kind, test.subject) for test in CASES}
    assert len([subject for kind, subject in tested if kind == "table"]) >= 8
    assert {subject for kind, subject in tested if kind == "processor"} >= set(all_processors())
    assert [test.name for test in CASES if test.needs_review] == []


def test_the_page_on_unit_tests_does_what_it_shows(tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {name: value for name, value in os.environ.items() if name != CONFIG_VARIABLE} | {"PATH": path}
    assert Shell(tmp_path, environment).follow(PAGE) == []


def headrace(*arguments: str) -> Result:
    return CliRunner().invoke(cli.build_app(), ["test", *arguments])


def written(folder: Path, text: str) -> Path:
    (folder / "shop.yaml").write_text(text)
    return folder / "shop.yaml"


def test_amounts_countries_and_zeros_are_read_as_they_are_written(tmp_path: Path) -> None:
    done = headrace(str(written(tmp_path, RIGHT)))
    assert (done.exit_code, "ok     marts.sales_daily: sums" in done.output) == (ExitCode.SUCCESS, True)


def test_a_failed_test_shows_its_place_and_each_value_that_differs(tmp_path: Path) -> None:
    path = written(tmp_path, RIGHT.replace("EUR, revenue: 12345678901234567890.1234}", "EUR, orders: 2, revenue: 3}"))
    done = headrace(str(path), "--json")
    assert done.exit_code == ExitCode.FAILURE
    (found,) = json.loads(done.output)["tests"]
    assert found["place"] == f"{path}:3"
    assert found["problems"] == [
        "{sale_date: 2026-01-01, country: NO, channel: web, currency: EUR}:",
        "  orders   expected 2, was 1",
        "  revenue  expected 3.0000, was 12345678901234567890.1234",
    ]


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        (
            "sales_daly",
            "sales_daily",
            "The warehouse has no table `marts.sales_daly`. Did you mean `marts.sales_daily`",
        ),
        ("core.order:", "core.orders:", "marts.sales_daily has no input `core.order`. Did you mean `core.orders`?"),
        ("{ordr_id:", "{order_id:", "core.orders has no column `ordr_id`. Did you mean `order_id`"),
        ("{sale_dat:", "{sale_date:", "marts.sales_daily has no column `sale_dat`. Did you mean `sale_date`"),
        ("{units: many, order_id:", "{order_id:", '`units` of row 1 is "many", which is not a DECIMAL'),
    ],
)
def test_a_mistake_in_a_test_is_named_with_what_was_meant(wrong: str, right: str, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, RIGHT.replace(right, wrong, 1))
    assert message in headrace(str(path)).output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tests: []", "has no list `unit_tests`"),
        ("unit_tests: [{name: a, tabel: b}]", "has no key `tabel`. Did you mean `table`?"),
        ("unit_tests: [{name: a, table: b, expect: {c: d}}]", "`expect` is not a list of rows"),
        ("unit_tests: [{name: a}]", "the test lacks `table`"),
        ("unit_tests: [!!python/object/apply:os.system [id]]", "is not YAML: could not determine a constructor"),
        ("unit_tests: [{", "is not YAML:"),
    ],
)
def test_a_file_of_another_form_is_refused_with_the_reason(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(Terminal) as raised:
        read(written(tmp_path, text))
    assert message in str(raised.value)


def test_an_update_changes_failed_expectations_only_and_marks_them(tmp_path: Path) -> None:
    second = "\n  # stays\n  - name: second\n    processor: order-extractor\n    given: {web_logs: [{_value: x}]}\n"
    path = written(tmp_path, RIGHT.replace("EUR, revenue: 1", "EUR, revenue: 2") + second)
    done = headrace(str(path), "--update")
    assert (done.exit_code, "Wrote the expectations of 2 tests" in done.output) == (ExitCode.FAILURE, True)
    mark = "  # review: written by `headrace test --update`"
    letter = "{topic: web_logs, _partition: 0, _offset: 0, category: malformed JSON, reason: "
    text = path.read_text()
    assert text.startswith(RIGHT.replace("    expect:", f"    expect:{mark}") + second + f"    expect: []{mark}\n")
    assert f"    dead_letters:{mark}\n      - {letter}" in text
    assert headrace(str(path)).exit_code == ExitCode.SUCCESS
    before = path.read_text()
    headrace(str(path), "--update")
    assert path.read_text() == before


def test_an_incremental_build_that_finds_other_groups_is_detected(tmp_path: Path) -> None:
    sales = table("marts.sales_daily")
    wrong = replace(sales, affects={"core.orders": (Grouping("order_date + 1"),)})
    place = {"country": "NO", "channel": "web", "currency": "EUR"}
    row = place | {"order_date": "2026-01-01", "kind": "order", "revenue": 1}
    given = {"core.orders": [row | {"order_id": "A"}, row | {"order_id": "B"}]}
    (full,), (stepwise,) = build(sales, given).table, build_in_two_steps(sales, given).table
    assert (full["orders"], stepwise["orders"]) == (2, 2)
    assert compare(build(wrong, given).table, build_in_two_steps(wrong, given).table, wrong.key) != []


def test_rows_are_matched_by_their_key_or_else_by_most_columns() -> None:
    rows = [{"k": 1, "a": 1, "b": 1}, {"k": 2, "a": 2, "b": 2}]
    (found,) = compare([{"k": 1, "a": 1}, {"k": 2, "a": 1}], rows, ["k"])
    assert [(cell.column, cell.expected, cell.actual) for cell in found.cells] == [("a", 1, 2)]
    (found,) = compare([{"a": 2, "b": 2}, {"a": 1, "b": 3}], rows)
    assert [(cell.column, cell.expected, cell.actual) for cell in found.cells] == [("b", 3, 1)]
    missing, unexpected = compare([{"k": 3, "a": 1}], rows[:1], ["k"])
    assert (missing.actual, unexpected.expected) == (None, None)
