"""Plots of how a model does, as PNG: for whoever would rather see a curve than read its numbers.

Drawn from outcomes row by row; what is measured is `models.metrics`'s business.
"""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_auc_score, roc_curve

from models.artifact import Report
from models.drift import Drift
from models.training import Outcomes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE, DPI = (5.2, 3.6), 90
BLUE, RED, GREY = "#1f5fa8", "#b8442f", "#8a8f98"
BARS = 15
mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "figure.autolayout": True})


def as_markdown(png: bytes, title: str) -> str:
    """The picture as Markdown that holds it in itself, since Dagster's UI serves no files."""
    return f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})"


def evaluation_plots(report: Report, outcomes: Outcomes, importance: Mapping[str, float]) -> dict[str, bytes]:
    """Every plot that fits the model, by name: ROC, precision-recall and lift need two classes."""
    plots = {"calibration": calibration(report), "confusion_matrix": confusion(outcomes)}
    if len(outcomes.classes) == 2:
        plots |= {"roc": roc(outcomes), "precision_recall": precision_recall(outcomes), "lift": lift(outcomes)}
    if importance:
        plots["feature_importance"] = importances(importance)
    return plots


def calibration(report: Report) -> bytes:
    """Share that came true against probability said; the areas of the points are numbers of rows."""

    def draw(axes: "Axes") -> None:
        said = [each.probability for each in report.calibration]
        observed = [each.observed for each in report.calibration]
        rows = np.asarray([each.rows for each in report.calibration])
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
        axes.plot(said, observed, color=BLUE, linewidth=1)
        axes.scatter(said, observed, s=20 + 120 * rows / rows.max(), color=BLUE, alpha=0.7)
        axes.set(xlabel="probability said", ylabel="share that came true", xlim=(0, 1), ylim=(0, 1))

    measure = report.model["ece"]
    return _drawn(f"Calibration: expected error {measure.value:.3f} ({measure.low:.3f} to {measure.high:.3f})", draw)


def roc(outcomes: Outcomes) -> bytes:
    said = outcomes.probabilities[:, 1]

    def draw(axes: "Axes") -> None:
        false, true, _ = roc_curve(outcomes.labels, said)
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
        axes.plot(false, true, color=BLUE)
        axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(0, 1), ylim=(0, 1.01))

    return _drawn(f"ROC: area {roc_auc_score(outcomes.labels, said):.3f}", draw)


def precision_recall(outcomes: Outcomes) -> bytes:
    def draw(axes: "Axes") -> None:
        precision, recall, _ = precision_recall_curve(outcomes.labels, outcomes.probabilities[:, 1])
        axes.axhline(float(outcomes.labels.mean()), color=GREY, linestyle="--", linewidth=1)
        axes.plot(recall, precision, color=BLUE)
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.01))

    return _drawn("Precision and recall; dashed: without a model", draw)


def lift(outcomes: Outcomes) -> bytes:
    """How many times the average share is found in the tenths that the model ranks highest."""

    def draw(axes: "Axes") -> None:
        order = np.argsort(-outcomes.probabilities[:, 1], kind="stable")
        tenths = np.array_split(outcomes.labels[order], 10)
        lifts = [tenth.mean() / outcomes.labels.mean() for tenth in tenths]
        axes.bar(range(1, 11), lifts, color=BLUE)
        axes.axhline(1, color=GREY, linestyle="--", linewidth=1)
        axes.set(xlabel="tenth, the likeliest first", ylabel="times the average", xticks=range(1, 11))

    return _drawn("Lift", draw)


def confusion(outcomes: Outcomes) -> bytes:
    told = np.argmax(outcomes.probabilities, axis=1)
    counts = confusion_matrix(outcomes.labels, told, labels=range(len(outcomes.classes)))

    def draw(axes: "Axes") -> None:
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            text = f"{count:,}\n{shares[row, column]:.0%}"
            axes.text(column, row, text, ha="center", va="center", color=colour)
        ticks = range(len(outcomes.classes))
        axes.set(xticks=ticks, yticks=ticks, xlabel="said", ylabel="came true")
        axes.set_xticklabels(outcomes.classes)
        axes.set_yticklabels(outcomes.classes)

    return _drawn("What was said, and what came true", draw)


def importances(importance: Mapping[str, float]) -> bytes:
    """How much worse the model gets when a feature is shuffled."""
    largest = sorted(importance.items(), key=lambda each: each[1])[-BARS:]

    def draw(axes: "Axes") -> None:
        axes.barh([name for name, _ in largest], [value for _, value in largest], color=BLUE)
        axes.set(xlabel="log loss added by shuffling it")

    return _drawn("Feature importance", draw)


def drifts(found: Sequence[Drift]) -> bytes:
    """Each column's index over its threshold: to the right of the line is more than chance."""
    shown = sorted(found, key=lambda each: each.psi / each.threshold)[-BARS:]

    def draw(axes: "Axes") -> None:
        colours = [RED if each.has_moved else BLUE for each in shown]
        axes.barh([each.column for each in shown], [each.psi / each.threshold for each in shown], color=colours)
        axes.axvline(1, color=GREY, linestyle="--", linewidth=1)
        axes.set(xlabel="stability index, in multiples of what chance gives")

    return _drawn("Drift since the champion's window", draw)


def _drawn(title: str, draw: Callable[["Axes"], None]) -> bytes:
    # Not pyplot: it keeps every figure, and wants to know of screens.
    figure = Figure(figsize=SIZE, dpi=DPI)
    axes = figure.subplots()
    draw(axes)
    axes.set_title(title, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
