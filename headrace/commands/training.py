"""`headrace train` and `headrace models evaluate`: train a model from the warehouse or a file, and evaluate one."""

import json
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.home import existing
from headrace.terminal import print_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.contracts.settings import Settings
    from headrace.operations.training import Training


class Trainable(StrEnum):
    """The models that can be trained."""

    BEHAVIOR = "behavior"
    INTENT = "intent"
    SENTIMENT = "sentiment"


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Model = Annotated[Trainable, typer.Argument(help="The model.")]


def register(app: typer.Typer) -> None:
    """Add `train`. `evaluate` is with the other commands about models."""
    app.command()(train)


def train(
    model: Model,
    shoppers: Annotated[
        Path | None,
        typer.Option(help="intent: a CSV in the Online Shoppers form to train from, instead of the shop's own visits."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a model, evaluate it, and promote it if it is better.

    Trains on the current warehouse, or on a file of sessions. Evaluates on the latest window, which the model has not
    seen. Dagster's UI shows a training on the warehouse like those of its schedule.
    """
    from headrace.contracts.settings import Settings
    from headrace.stack import postgres_for_call

    _only_for(shoppers, "--shoppers", model, Trainable.INTENT)
    settings = existing(Settings())
    with postgres_for_call(settings):
        done = _train(settings, model, shoppers)
    card, verdict = done.trained.card, done.verdict
    outcome = {
        "version": done.version.name,
        "promoted": verdict.promoted,
        "reason": verdict.reason,
        "training_rows": card.training.rows,
        "frame": card.frame.path,
        "frame_sha256": card.frame.sha256,
        "predictions_sha256": card.predictions_sha256,
    }
    summary = f"{done.version.name} {'is the champion' if verdict.promoted else 'was not promoted'}: {verdict.reason}"
    _show(card.report.figures() | outcome, summary, as_json)


def evaluate(
    model: Model,
    path: Annotated[Path, typer.Argument(help="An order book, a file of sessions, or labelled texts.")],
    cutoff: Annotated[
        datetime | None, typer.Option(help="behavior: features are as of this time (UTC), the label the 30 days after.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="sentiment: evaluate as `social_media` or as `customer_feedback`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Evaluate the champion on a file that it has not seen. Includes the baselines."""
    from headrace.contracts.settings import Settings
    from headrace.models import evaluation
    from headrace.models.artifact import named
    from headrace.operations import windows
    from headrace.stack import postgres_for_call

    _only_for(cutoff, "--cutoff", model, Trainable.BEHAVIOR)
    _only_for(to, "--to", model, Trainable.SENTIMENT)
    settings = existing(Settings())
    if not path.exists():
        raise typer.BadParameter(f"{path} does not exist", param_hint="PATH")
    match model:
        case Trainable.BEHAVIOR:
            if cutoff is None:
                raise typer.BadParameter("needed for the behavior model", param_hint="--cutoff")
            name, window = "behavior", windows.behavior_window(settings, path, cutoff.replace(tzinfo=UTC))
        case Trainable.INTENT:
            name, window = "intent-shoppers", windows.intent_window(path)
        case Trainable.SENTIMENT:
            if to not in (None, "social_media", "customer_feedback"):
                raise typer.BadParameter("choose social_media or customer_feedback", param_hint="--to")
            name, window = "sentiment", windows.sentiment_window(settings, path, to)
    with postgres_for_call(settings):
        champion, found = evaluation.evaluate(settings, named(name), window)
    _show(found.report.figures(), f"{champion} on {path.name}", as_json)


def _train(settings: "Settings", model: Trainable, shoppers: Path | None) -> "Training":
    from headrace.operations import training
    from headrace.warehouse.lake import Lake

    if shoppers is not None:
        return training.train_on_sessions(settings, shoppers)
    with Lake.open(settings, read_only=True) as lake:
        done = training.train(settings, lake, model.value)
    from headrace.orchestration.manual_training import report  # takes seconds to import

    report(settings, done)
    return done


def _only_for(value: object, option: str, model: Trainable, owner: Trainable) -> None:
    if value is not None and model is not owner:
        raise typer.BadParameter(f"is only for {owner.value}", param_hint=option)


def _show(figures: "Mapping[str, Any]", summary: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(figures))
        return
    measured = {"model": figures["model"], **figures["baselines"], **figures.get("by_source", {})}
    names = list(figures["model"])
    print_table(("", *names), [(who, *(f"{values[name]:.4f}" for name in names)) for who, values in measured.items()])
    for part, values in figures.get("further", {}).items():
        typer.echo(f"{part}: {', '.join(f'{name} {value:.4g}' for name, value in values.items())}")
    typer.echo(f"{figures['rows']:,} rows, of which {figures['positive_rate']:.1%} positive. {summary}")
