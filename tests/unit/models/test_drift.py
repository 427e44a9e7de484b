"""Drift: a threshold that follows the sample size, and the pictures."""

import numpy as np
import polars as pl
import pytest
from numpy.random import Generator

from headrace.models import plots
from headrace.models.artifact import Bin, Measure, Report
from headrace.models.drift import MIN_ROWS, drift
from headrace.models.training import Outcomes

PNG = b"\x89PNG\r\n"


def rows(random: Generator, count: int, shift: float = 0.0) -> pl.DataFrame:
    gaps = np.where(random.random(count) < 0.3, np.nan, random.random(count))
    return pl.DataFrame({"recency": random.normal(shift, 1, count), "orders": random.poisson(2, count), "gap": gaps})


@pytest.mark.parametrize(("before", "now"), [(300, 150), (3_000, 800), (20_000, 20_000)])
def test_false_alarms_are_as_rare_as_specified_for_any_numbers_of_rows(before: int, now: int) -> None:
    random = np.random.default_rng(11)
    alarms = 0
    for _ in range(200):
        reference, current = rows(random, before), rows(random, now)
        alarms += any(each.has_moved for each in drift(reference, current, reference.columns))
    assert alarms <= 7, "1% of 200, and what chance makes of it"


def test_a_move_too_small_for_few_rows_is_seen_with_many_and_the_column_is_named() -> None:
    random = np.random.default_rng(12)
    few = drift(rows(random, 300), rows(random, 300, shift=0.08), ["recency", "orders", "gap"])
    many = drift(rows(random, 30_000), rows(random, 30_000, shift=0.08), ["recency", "orders", "gap"])
    assert [each.column for each in few if each.has_moved] == []
    assert [each.column for each in many if each.has_moved] == ["recency"]
    assert many[0].psi < 0.1, "the customary threshold would have detected nothing"


def test_values_that_become_null_are_drift() -> None:
    random = np.random.default_rng(13)
    gone = rows(random, 1_000).with_columns(gap=pl.lit(None, pl.Float64))
    assert [each.column for each in drift(rows(random, 1_000), gone, ["gap"]) if each.has_moved] == ["gap"]


def test_too_few_rows_give_no_result() -> None:
    random = np.random.default_rng(14)
    assert drift(rows(random, 1_000), rows(random, MIN_ROWS - 1, shift=9), ["recency"]) == []


@pytest.mark.parametrize("classes", [("no order", "order"), ("negative", "neutral", "positive")])
def test_every_plot_that_fits_the_model_is_a_picture(classes: tuple[str, ...]) -> None:
    random = np.random.default_rng(15)
    probabilities = random.dirichlet([1.0] * len(classes), 300)
    outcomes = Outcomes(classes, random.integers(0, len(classes), 300), probabilities, np.arange(300).astype(np.str_))
    bins = [Bin(0.2, 0.25, 150), Bin(0.7, 0.6, 150)]
    report = Report({"ece": Measure(0.05, 0.02, 0.08)}, {}, 300, 0.5, bins)
    found = plots.evaluation_plots(report, outcomes, {"recency": 0.02, "orders": 0.01})
    two = {"roc", "precision_recall", "lift"} if len(classes) == 2 else set()
    assert found.keys() == {"calibration", "confusion_matrix", "feature_importance"} | two
    assert all(png.startswith(PNG) for png in found.values())
    assert plots.as_markdown(PNG, "roc").startswith("![roc](data:image/png;base64,iVBORw0K")
