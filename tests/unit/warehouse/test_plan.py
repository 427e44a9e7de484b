"""What a build does is decided by a pure function: all rows, the groups that changes affect, new rows, or nothing."""

from dataclasses import replace

import pytest

from headrace.warehouse.incremental.plan import READ_AHEAD, Facts, Input, Plan, make_plan
from headrace.warehouse.lake.watermarks import Watermark
from headrace.warehouse.tables import table

SALES = table("marts.sales_daily")
COLUMNS = dict.fromkeys(SALES.columns, "VARCHAR")
SOURCE = SALES.inputs[0]


def facts(*, changed: bool = True, snapshot: int = 12) -> Facts:
    """The table was built at snapshot 10 by its file as it is."""
    marks = {name: Watermark(name, 10, SALES.definition, SALES.documentation) for name in SALES.inputs}
    return Facts(snapshot, COLUMNS, COLUMNS, marks, SALES.inputs if changed else (), history_is_kept=True)


def plan(known: Facts, *, full: bool = False) -> Plan:
    return make_plan(SALES, known, full=full)


def test_a_change_of_an_input_makes_its_groups_the_ones_to_compute() -> None:
    made = plan(facts())
    assert (made.kind, made.inputs[0]) == ("groups", Input(SOURCE, 10, 12))
    assert {each.table for each in made.changed} == set(SALES.inputs)
    assert (made.creates, made.describes, made.redefined, made.moves_watermarks) == (False, False, False, False)
    assert str(made).startswith("marts.sales_daily: groups of (")
    assert [mark.snapshot_id for mark in made.watermarks()] == [12] * len(SALES.inputs)


def test_without_a_change_nothing_is_computed_and_only_a_lagging_watermark_moves() -> None:
    assert (made := plan(facts(changed=False))).kind == "nothing"
    assert not made.moves_watermarks
    assert plan(facts(changed=False, snapshot=10 + READ_AHEAD)).moves_watermarks


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (replace(facts(), existing=None, marks={}), "does not exist"),
        (replace(facts(), existing={"other": "VARCHAR"}), "columns changed"),
        (replace(facts(), marks={}), "cannot be followed"),
        (replace(facts(), history_is_kept=False), "cannot be followed"),
        (replace(facts(), marks={SOURCE: Watermark(SOURCE, 10, "another", SALES.documentation)}), "file changed"),
    ],
)
def test_a_table_is_built_in_full_where_its_changes_cannot_be_followed(known: Facts, reason: str) -> None:
    made = plan(known)
    assert (made.kind, made.redefined, made.moves_watermarks) == ("full", True, True)
    assert reason in made.reason
    assert all(each.since is None for each in made.inputs)


def test_a_full_build_that_is_asked_for_redefines_nothing() -> None:
    made = plan(facts(), full=True)
    assert (made.kind, made.redefined, made.creates) == ("full", False, False)


def test_a_changed_description_is_written_and_no_row_is_computed() -> None:
    known = facts(changed=False)
    marks = {name: replace(mark, documentation="another") for name, mark in known.marks.items()}
    made = plan(replace(known, marks=marks))
    assert (made.kind, made.describes, made.redefined, made.moves_watermarks) == ("nothing", True, True, True)


def test_a_table_of_events_reads_its_new_rows_and_writes_a_quarantine_too() -> None:
    events = table("core.web_events")
    marks = {name: Watermark(name, 10, events.definition, events.documentation) for name in events.inputs}
    columns = dict.fromkeys(events.columns, "VARCHAR")
    made = make_plan(events, Facts(12, columns, columns, marks, events.inputs, history_is_kept=True), full=False)
    assert made.kind == "append"
    assert [each.qualified for each in made.targets] == [events.qualified, events.quarantine]
