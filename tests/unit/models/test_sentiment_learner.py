"""The sentiment model: what it reads, how its rows are split, and that each domain has a part of its own."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import polars as pl
import pytest

from headrace.cases.data_science.models.sentiment.learner import LEARNER, prepared
from headrace.cases.data_science.models.sentiment.scorer import Champion
from headrace.cases.data_science.models.sentiment.vader import Subject
from headrace.models import frames, training
from headrace.models.artifact import Rejected
from headrace.models.registry import files

START = datetime(2026, 1, 1, tzinfo=UTC)
SAYS = {
    "negative": ("the delivery was awful and late", "i hate how this broke", "terrible, sad, a waste of money"),
    "neutral": ("the parcel is on the table", "we meet tomorrow at the station", "it has two sleeves and a pocket"),
    "positive": ("what a wonderful day with friends", "i love this, it is great", "happy and thankful, best ever"),
}


def judged(size: int = 1_050, undated: bool = False) -> pl.DataFrame:
    random = np.random.default_rng(3)
    labels = [list(SAYS)[number % 3] for number in range(size)]
    subjects = ["post" if number % 2 else "feedback" for number in range(size)]
    return pl.DataFrame(
        {
            "subject": subjects,
            "subject_id": [str(number) for number in range(size)],
            "source": ["twitter" if subject == "post" else "review" for subject in subjects],
            "authored_at": [START if undated else START + timedelta(hours=number) for number in range(size)],
            "text": [f"{random.choice(SAYS[label])} in house {number}" for number, label in enumerate(labels)],
            "language": ["en"] * size,
            "label": labels,
        }
    )


def test_the_model_learns_is_reported_by_source_and_survives_its_file(tmp_path: Path) -> None:
    frame = frames.save(tmp_path, "sentiment", judged(), as_of=START + timedelta(days=30), snapshot=None)
    trained = training.train(frame)
    report = trained.card.report
    assert report.model["macro_recall"].value > 0.9
    assert set(report.baselines) == {"base_rate", "vader"}
    assert trained.card.training.end <= trained.card.evaluation.start
    path = tmp_path / "serving.skops"
    loaded = files.load(path, files.save(path, trained.serving))
    assert len(ZipFile(path).namelist()) < 100, "a file for each word would take a scorer too long to load"
    window = training.split(frame).evaluation
    scores = [training.score("sentiment", fitted, window) for fitted in (trained.serving, loaded)]
    assert scores[0].tobytes() == scores[1].tobytes()
    scorer = Champion("sentiment-1", loaded)
    texts = ["i love this, it is great in house 7"] * 2
    subjects: tuple[Subject, Subject] = ("post", "feedback")
    scores = scorer.score(texts, subjects)
    assert [score.label for score in scores] == ["positive", "positive"]
    assert scores[0] != scores[1]
    assert scorer.score(texts[:1]) == scores[:1]


def test_texts_without_times_are_split_by_their_hash_the_same_every_time() -> None:
    table = judged(undated=True)
    one, other = (LEARNER.split(rows).evaluation["subject_id"].to_list() for rows in (table, table.reverse()))
    assert one == other
    assert len(one) == 210
    assert one != [str(number) for number in range(840, 1_050)]


def test_unreadable_and_duplicate_texts_are_left_out_of_training() -> None:
    table = judged(60).with_columns(
        text=pl.when(pl.col("subject_id") == "7")
        .then(pl.lit("Das ist wirklich kein guter Tag gewesen, das Wetter war schlecht"))
        .when(pl.col("subject_id").is_in(["8", "9"]))
        .then(pl.lit("the very same words"))
        .otherwise("text"),
        language=pl.lit(None, dtype=pl.String),
    )
    kept = prepared(table)["subject_id"].to_list()
    assert "7" not in kept
    assert "8" in kept
    assert "9" not in kept
    assert prepared(prepared(table)).equals(prepared(table))


@pytest.mark.parametrize("table", [judged(120), judged().filter(pl.col("label") != "neutral")])
def test_too_few_texts_or_a_missing_class_are_rejected(table: pl.DataFrame) -> None:
    with pytest.raises(Rejected, match="too few"):
        LEARNER.split(table)
