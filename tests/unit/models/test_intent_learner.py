"""Session intent: files of sessions are read or rejected by the line, and hindsight is used only where it is there."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from headrace.cases.ecommerce.models.intent import shoppers
from headrace.cases.ecommerce.models.intent.learner import SHOPPERS, WITHOUT_PAGE_VALUES
from headrace.contracts.errors import Terminal
from headrace.models import frames, training
from headrace.models.artifact import Rejected
from headrace.models.registry import files

HEADER = (
    "Administrative,Administrative_Duration,Informational,Informational_Duration,ProductRelated,"
    "ProductRelated_Duration,BounceRates,ExitRates,PageValues,SpecialDay,Month,OperatingSystems,Browser,Region,"
    "TrafficType,VisitorType,Weekend,Revenue"
)


def sessions(size: int = 1_500) -> list[str]:
    """Sessions whose purchase rate grows with their product pages; page values predict it almost exactly."""
    random = np.random.default_rng(5)
    lines: list[str] = []
    for number in range(size):
        pages = int(random.integers(1, 60))
        buys = random.random() < pages / 120
        value = random.exponential(20) * buys * (random.random() < 0.9)
        month = ("Feb", "May", "June", "Oct", "Dec")[number * 5 // size]
        lines.append(
            f"{number % 4},1.5,0,0.0,{pages},{pages * 30.5},0.01,0.02,{value:.3f},0.0,{month},1,2,3,4,"
            f"{'New_Visitor' if number % 3 else 'Returning_Visitor'},{'TRUE' if number % 7 == 0 else 'False'},{buys}"
        )
    return lines


def written(folder: Path, lines: list[str], header: str = HEADER) -> Path:
    path = folder / "sessions.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_the_latest_months_judge_the_earlier_ones_with_and_without_page_values(tmp_path: Path) -> None:
    table = shoppers.read(written(tmp_path, sessions()))
    frame = frames.save(tmp_path, "intent-shoppers", table, as_of=shoppers.as_of(table), snapshot=None)
    trained = training.train(frame)
    assert trained.card.evaluation.start.month == trained.card.evaluation.end.month == 12
    assert trained.card.training.end.month == 10
    report = trained.card.report
    assert report.model["auc"].value > report.baselines[WITHOUT_PAGE_VALUES]["auc"].value > 0.6
    window = training.split(frame).evaluation
    without = training.score("intent-shoppers", trained.serving, window.drop("PageValues"))
    assert not np.array_equal(without, training.score("intent-shoppers", trained.serving, window))
    path = tmp_path / "serving.skops"
    loaded = files.load(path, files.save(path, trained.serving))
    again = training.score("intent-shoppers", loaded, window.drop("PageValues"))
    assert again.tobytes() == without.tobytes()


@pytest.mark.parametrize(
    ("lines", "header", "message"),
    [
        (["x" * 3], "a,b,c", "has no column Administrative"),
        ([*sessions(5), sessions(1)[0].replace(",Feb,", ",Fnord,")], HEADER, "line 7: month"),
        ([sessions(1)[0].replace("0.02", "much")], HEADER, "line 2: ExitRates"),
        ([sessions(1)[0].rpartition(",")[0] + ",perhaps"], HEADER, "line 2: bought"),
    ],
)
def test_a_file_of_another_form_is_rejected_by_the_line(
    tmp_path: Path, lines: list[str], header: str, message: str
) -> None:
    with pytest.raises(Terminal, match=message):
        shoppers.read(written(tmp_path, lines, header))


def test_visits_of_one_month_or_one_outcome_are_rejected(tmp_path: Path) -> None:
    table = shoppers.read(written(tmp_path, sessions()))
    for part in (table.filter(pl.col("month") == 2), table.filter(~pl.col("bought")), table.head(0)):
        with pytest.raises(Rejected):
            SHOPPERS.split(part)
