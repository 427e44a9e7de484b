"""Plots of a model's evaluation, as PNG, drawn from outcomes row by row; metrics are in `headrace.models.metrics`."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix, precision_recall_curve, roc_auc_score, roc_curve

from headrace.models.artifact import Report
from headrace.models.drift import Drift
from headrace.models.training import Outcomes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE, DPI = (5.2, 3.6), 90
BLUE, RED, GREY = "#1f5fa8", "#b8442f", "#8a8f98"
BARS = 15
mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "figure.autolayout": True})


def as_markdown(png: bytes, title: str) -> str:
    """The image embedded in Markdown, because Dagster's UI serves no files."""
    return f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})"


def evaluation_plots(report: Report, outcomes: Outcomes, importance: Mapping[str, float]) -> dict[str, bytes]:
    """Every plot that applies to the model, by name: ROC, precision-recall and lift need two classes."""
    plots = {"calibration": calibration(report), "confusion_matrix": confusion(outcomes)}
    if len(outcomes.classes) == 2:
        plots |= {"roc": roc(outcomes), "precision_recall": precision_recall(outcomes), "lift": lift(outcomes)}
    if importance:
        plots["feature_importance"] = importances(importance)
    return plots


def calibration(report: Report) -> bytes:
    """Observed frequency against predicted probability; the areas of the points are numbers of rows."""

    def draw(axes: "Axes") -> None:
        predicted = [each.probability for each in report.calibration]
        observed = [each.observed for each in report.calibration]
        rows = np.asarray([each.rows for each in report.calibration])
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
        axes.plot(predicted, observed, color=BLUE, linewidth=1)
        axes.scatter(predicted, observed, s=20 + 120 * rows / rows.max(), color=BLUE, alpha=0.7)
        axes.set(xlabel="predicted probability", ylabel="observed frequency", xlim=(0, 1), ylim=(0, 1))

    measure = report.model["ece"]
    return _drawn(f"Calibration: expected error {measure.value:.3f} ({measure.low:.3f} to {measure.high:.3f})", draw)


def roc(outcomes: Outcomes) -> bytes:
    predicted = outcomes.probabilities[:, 1]

    def draw(axes: "Axes") -> None:
        false, true, _ = roc_curve(outcomes.labels, predicted)
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
        axes.plot(false, true, color=BLUE)
        axes.set(xlabel="false positive rate", ylabel="true positive rate", xlim=(0, 1), ylim=(0, 1.01))

    return _drawn(f"ROC: area {roc_auc_score(outcomes.labels, predicted):.3f}", draw)


def precision_recall(outcomes: Outcomes) -> bytes:
    def draw(axes: "Axes") -> None:
        precision, recall, _ = precision_recall_curve(outcomes.labels, outcomes.probabilities[:, 1])
        axes.axhline(float(outcomes.labels.mean()), color=GREY, linestyle="--", linewidth=1)
        axes.plot(recall, precision, color=BLUE)
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.01))

    return _drawn("Precision and recall; dashed: without a model", draw)


def lift(outcomes: Outcomes) -> bytes:
    """The share of positives in each tenth of the model's ranking, as a multiple of the average share."""

    def draw(axes: "Axes") -> None:
        order = np.argsort(-outcomes.probabilities[:, 1], kind="stable")
        tenths = np.array_split(outcomes.labels[order], 10)
        lifts = [tenth.mean() / outcomes.labels.mean() for tenth in tenths]
        axes.bar(range(1, 11), lifts, color=BLUE)
        axes.axhline(1, color=GREY, linestyle="--", linewidth=1)
        axes.set(xlabel="tenth, most likely first", ylabel="multiple of the average", xticks=range(1, 11))

    return _drawn("Lift", draw)


def confusion(outcomes: Outcomes) -> bytes:
    predicted = np.argmax(outcomes.probabilities, axis=1)
    counts = confusion_matrix(outcomes.labels, predicted, labels=range(len(outcomes.classes)))

    def draw(axes: "Axes") -> None:
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (row, column), count in np.ndenumerate(counts):
            color = "white" if shares[row, column] > 0.5 else "black"
            text = f"{count:,}\n{shares[row, column]:.0%}"
            axes.text(column, row, text, ha="center", va="center", color=color)
        ticks = range(len(outcomes.classes))
        axes.set(xticks=ticks, yticks=ticks, xlabel="predicted", ylabel="actual")
        axes.set_xticklabels(outcomes.classes)
        axes.set_yticklabels(outcomes.classes)

    return _drawn("Confusion matrix", draw)


def importances(importance: Mapping[str, float]) -> bytes:
    """The log loss added by shuffling each feature."""
    largest = sorted(importance.items(), key=lambda each: each[1])[-BARS:]

    def draw(axes: "Axes") -> None:
        axes.barh([name for name, _ in largest], [value for _, value in largest], color=BLUE)
        axes.set(xlabel="log loss added by shuffling it")

    return _drawn("Feature importance", draw)


def drifts(found: Sequence[Drift]) -> bytes:
    """Each column's index divided by its threshold: right of the line is drift."""
    shown = sorted(found, key=lambda each: each.psi / each.threshold)[-BARS:]

    def draw(axes: "Axes") -> None:
        colors = [RED if each.has_moved else BLUE for each in shown]
        axes.barh([each.column for each in shown], [each.psi / each.threshold for each in shown], color=colors)
        axes.axvline(1, color=GREY, linestyle="--", linewidth=1)
        axes.set(xlabel="population stability index / threshold")

    return _drawn("Drift since the champion's window", draw)


def _drawn(title: str, draw: Callable[["Axes"], None]) -> bytes:
    # Without pyplot, which keeps every figure and selects a display backend.
    figure = Figure(figsize=SIZE, dpi=DPI)
    axes = figure.subplots()
    draw(axes)
    axes.set_title(title, fontsize=9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
