"""The models' quality on the shared data, each evaluated on held-out rows, as JSON: `make bench-models`.

- `behavior`: for each of seven cutoffs 15 days apart, fitted on the cutoffs at least 30 days earlier. With its ECE:
  the ECE expected by chance for this number of rows, and the mean probability minus the share that ordered
- `intent-shoppers`: five random folds, drawn like the acceptance set; and the latest months predicted from the earlier
- `sentiment`: five random folds of the tweets, with the imported sentences as the other domain
"""

import json
import sys
from pathlib import Path

import numpy as np
import polars as pl
from sklearn.model_selection import StratifiedKFold

from headrace.contracts.settings import Settings
from headrace.models import artifact, metrics, training
from headrace.models.artifact import Name
from headrace.operations.windows import documents_of, intent_window, sentiment_window
from headrace.warehouse import frames
from tests.shared_data import shared

WINDOWS, FOLDS, SEED = 7, 5, 1
BARS = {
    "behavior": {"auc": 0.745, "average_precision": 0.61, "brier": 0.167, "ece": 0.03},
    "intent-shoppers": {"auc": 0.925, "average_precision": 0.73},
    "sentiment": {"macro_recall": 0.61},
}
"""Targets for later data, which is not available here."""

Figures = dict[str, dict[str, float]]


def judged(name: Name, learn: pl.DataFrame, window: pl.DataFrame) -> Figures:
    """The model's figures on a window, and each baseline's."""
    fitted = training.learner(name).fit(learn, SEED)
    evaluation = training.evaluate(name, fitted, window, training=learn)
    report, probabilities = evaluation.report, evaluation.outcomes.probabilities
    measures = {"model": report.model, **report.baselines}
    if probabilities.shape[1] == 2:
        chance = metrics.error_if_calibrated(probabilities, SEED)
        level = float(probabilities[:, 1].mean()) - report.positive_rate
        measures["model"] |= {"ece_if_calibrated": chance, "level_error": artifact.Measure(level, level, level)}
    return {who: {metric: measure.value for metric, measure in each.items()} for who, each in measures.items()}


def behavior(settings: Settings) -> dict[str, Figures]:
    documents = documents_of(settings, shared("online-retail/online_retail_to_2011-08.parquet"))
    times = documents["ordered_at"]
    cutoffs = frames.behavior_cutoffs(times.min(), times.max())  # pyright: ignore[reportArgumentType]
    frame = frames.behavior_at(documents, cutoffs)
    return {
        f"{cutoff:%Y-%m-%d}": judged(
            "behavior",
            frame.filter(pl.col("cutoff") <= cutoff - frames.LABEL),
            frame.filter(pl.col("cutoff") == cutoff),
        )
        for cutoff in cutoffs[-WINDOWS:]
    }


def shoppers() -> dict[str, Figures]:
    table = intent_window(shared("online-shoppers/online_shoppers_train.csv"))
    parts = training.learner("intent-shoppers").split(table)
    return folds("intent-shoppers", table, table["bought"]) | {
        "latest months": judged("intent-shoppers", parts.training, parts.evaluation)
    }


def sentiment(settings: Settings) -> dict[str, Figures]:
    tweets = sentiment_window(settings, shared("tweets-xlmt-en/train_text.txt"))
    paths = (
        shared("labelled-sentences/amazon_cells_labelled.txt"),
        shared("labelled-sentences/yelp_labelled.txt"),
    )
    sentences = pl.concat(sentiment_window(settings, path) for path in paths)
    return folds("sentiment", tweets, tweets["label"], sentences)


def folds(name: Name, table: pl.DataFrame, by: pl.Series, other: pl.DataFrame | None = None) -> dict[str, Figures]:
    """Predict each fifth by a model trained on the rest and on the data that is always included."""
    drawn = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(np.zeros(table.height), by.to_numpy())
    return {
        f"fold {number}": judged(name, table[fit] if other is None else pl.concat([table[fit], other]), table[held])
        for number, (fit, held) in enumerate(drawn, 1)
    }


def main() -> None:
    settings = Settings(home=Path("/nonexistent"))
    found = {"behavior": behavior(settings), "intent-shoppers": shoppers(), "sentiment": sentiment(settings)}
    means = {
        name: {
            who: {metric: float(np.mean([each[who][metric] for each in windows.values()])) for metric in metrics}
            for who, metrics in next(iter(windows.values())).items()
        }
        for name, windows in found.items()
    }
    json.dump({"means": means, "bars": BARS, "windows": found}, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
