"""The rule of promotion: whether a challenger is better than its rival, by their predictions on the same rows.

Both are evaluated on the challenger's evaluation window, which is later than the training data of either. Rows are
resampled with replacement `RESAMPLES` times (whole groups, such as a customer's rows, together; seed `SEED`). Both
models are measured on the same resamples, and the difference gets its 95% interval. The challenger is promoted when

    the interval of the deciding metric's difference lies wholly above zero: better by more than chance, and
    the interval of the guarding metric's difference does not lie wholly below zero: not worse by more than chance.

Without a champion the rival is the rule that scores until there is one (VADER, `rfm-rule`, the base rate).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from msgspec import Struct

from headrace.models import metrics
from headrace.models.artifact import Card, Measure, Name, Span
from headrace.models.learner import Probabilities
from headrace.models.training import Outcomes

RESAMPLES, SEED = 1_000, 20_111_209
MIN_ROWS, MIN_OF_A_CLASS = 200, 20
MAX_LAG = timedelta(days=7)
"""A model whose data ends this long before the latest event in the warehouse is stale."""


@dataclass(frozen=True)
class Rule:
    """Names of two metrics of `headrace.models.metrics`."""

    deciding: str
    guarding: str


RULES: Mapping[Name, Rule] = {
    # The Brier score is computed per row, so its differences are the least noisy; it covers ranking and calibration.
    "behavior": Rule("brier", "auc"),
    "intent": Rule("brier", "average_precision"),
    "intent-shoppers": Rule("brier", "average_precision"),
    "sentiment": Rule("macro_recall", "log_loss"),
}


class Verdict(Struct, frozen=True):
    """The result of a comparison. `differences` by metric; positive values are in favor of the challenger."""

    promoted: bool
    reason: str
    rival: str
    rows: int = 0
    window: Span | None = None
    differences: dict[str, Measure] = {}


def objection(card: Card, champion: Card | None, outcomes: Outcomes, newest: datetime | None) -> str | None:
    """The reason to reject a challenger before comparison, or None.

    `outcomes` are of its evaluation window; `newest` is the time of the latest event in the warehouse.
    """
    return next(_objections(card, champion, outcomes, newest), None)


def _objections(card: Card, champion: Card | None, outcomes: Outcomes, newest: datetime | None) -> Iterator[str]:
    counts = np.bincount(outcomes.labels, minlength=len(outcomes.classes))
    window = card.evaluation
    if np.count_nonzero(counts) < 2:
        yield "one class: all rows of the evaluation window have the same outcome"
    if len(outcomes.labels) < MIN_ROWS or counts.min() < MIN_OF_A_CLASS:
        found = ", ".join(f"{count} {name}" for count, name in zip(counts, outcomes.classes, strict=True))
        yield f"too few rows to evaluate: {found}; it takes {MIN_ROWS}, with {MIN_OF_A_CLASS} of each class"
    if newest is not None and newest - card.frame.as_of > MAX_LAG:
        yield f"stale data: it ends {_day(card.frame.as_of)}, the warehouse holds events up to {_day(newest)}"
    if champion is not None and champion.evaluation.end > window.end:
        yield f"stale data: its window ends {_day(window.end)}, the champion's {_day(champion.evaluation.end)}"
    for whose, learned in (("it", card), ("the champion", champion)):
        if learned is not None and learned.training.end > window.start:
            until = _day(learned.training.end)
            yield f"overlap: {whose} was trained on data up to {until}, the window begins {_day(window.start)}"


def compare(card: Card, challenger: Outcomes, rival: Probabilities, rival_name: str) -> Verdict:
    """Apply the rule to the predictions of challenger and rival on the same rows."""
    rule = RULES[card.name]
    found = differences(challenger, rival, (rule.deciding, rule.guarding))
    deciding, guarding = found[rule.deciding], found[rule.guarding]
    details = f"{_described(rule.deciding, deciding)}; {_described(rule.guarding, guarding)}"
    if deciding.low <= 0.0:
        promoted, reason = False, f"not better than {rival_name} by more than chance: {details}"
    elif guarding.high < 0.0:
        promoted, reason = (
            False,
            f"better than {rival_name} by {rule.deciding}, but worse by {rule.guarding}: {details}",
        )
    else:
        promoted, reason = True, f"better than {rival_name} by more than chance: {details}"
    return Verdict(promoted, reason, rival_name, len(challenger.labels), card.evaluation, found)


def differences(challenger: Outcomes, rival: Probabilities, names: tuple[str, ...]) -> dict[str, Measure]:
    """How much better the challenger is by each metric, with the 95% interval of the paired bootstrap."""
    kinds = metrics.metrics_for(len(challenger.classes))
    samples = metrics.resamples(challenger.keys, SEED, RESAMPLES)
    tail = (1.0 - metrics.COVERAGE) / 2
    found: dict[str, Measure] = {}
    for name in names:
        metric, sign = kinds[name], -1.0 if name in metrics.LESS_IS_BETTER else 1.0

        def gained(rows: "slice | np.ndarray[tuple[int], np.dtype[np.int64]]") -> float:
            labels = challenger.labels[rows]
            return sign * (metric(labels, challenger.probabilities[rows]) - metric(labels, rival[rows])) + 0.0  # noqa: B023

        # A resample of one class alone has no AUC; with MIN_OF_A_CLASS rows of each this does not occur in practice.
        values = [gained(rows) for rows in samples if len(np.unique(challenger.labels[rows])) > 1]
        low, high = np.quantile(values, (tail, 1.0 - tail))
        found[name] = Measure(gained(slice(None)), float(low), float(high))
    return found


def _described(name: str, difference: Measure) -> str:
    return f"{name} better by {difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"


def _day(time: datetime) -> str:
    return f"{time:%Y-%m-%d}"
