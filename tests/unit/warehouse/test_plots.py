"""Plots are drawn from any rows, and from rows alone."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from headrace.warehouse.sql_server.plots import PLOTS, SERIES, by_series, drawn
from headrace.warehouse.tables import all_tables

DAYS = [date(2026, 3, 1) + timedelta(days=number) for number in range(30)]
ROWS = {
    "stacked_bars": [(day, name, number) for number, day in enumerate(DAYS) for name in ("web", "store")],
    "lines_over_time": [(day, "form", Decimal(number)) for number, day in enumerate(DAYS)],
    "funnel": [("desktop", 100, 20, 5), ("mobile", 0, 0, 0)],
    "intervals": [("wet, post", 40.0, 35.0, 45.0, 12), ("dry, post", 50.0, 50.0, 50.0, 3)],
}


@pytest.mark.parametrize("table", PLOTS)
def test_every_plot_becomes_a_small_png(table: str) -> None:
    declared = PLOTS[table]
    rows = ROWS[declared.draw.__name__]
    for part in (rows, rows[:1]):
        png = drawn(declared, part)
        assert png.startswith(b"\x89PNG")
        assert len(png) < 80_000


def test_plots_are_of_tables_that_there_are() -> None:
    assert set(PLOTS) <= {table.qualified for table in all_tables()}


def test_many_series_are_drawn_as_the_largest_and_the_rest_without_losing_any() -> None:
    rows = [(DAYS[0], f"s{number}", number) for number in range(20)]
    found = by_series(rows, adds_up=True)
    assert len(found) == SERIES
    assert next(iter(found)) == "s19"
    assert sum(values[0] for _, values in found.values()) == sum(range(20))


def test_means_of_many_series_are_never_added_up() -> None:
    rows = [(DAYS[0], f"s{number}", 10.0) for number in range(20)]
    found = by_series(rows, adds_up=False)
    assert len(found) == SERIES
    assert {values[0] for _, values in found.values()} == {10.0}
