"""`headrace models`: the registered versions, the champion and why, manual promotion, and rollback."""

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.commands.training import evaluate
from headrace.contracts.exit_codes import ExitCode
from headrace.home import existing
from headrace.terminal import print_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headrace.models.artifact import Card, Measure
    from headrace.models.registry.store import Registry, Version

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Model = Annotated[str, typer.Argument(help="Name of the model, such as `behavior`.")]
Number = Annotated[int | None, typer.Argument(help="Number of the version; the champion by default.")]
Reason = Annotated[str, typer.Option(help="Why; it is recorded.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    models = typer.Typer(
        name="models", help="Registered models: versions, champions and decisions.", no_args_is_help=True
    )
    models.command("list")(list_versions)
    models.command()(show)
    models.command()(evaluate)
    models.command()(promote)
    models.command()(rollback)
    models.command()(reproduce)
    app.add_typer(models)


def list_versions(
    model: Annotated[str | None, typer.Argument(help="Name of a model; all by default.")] = None,
    as_json: Json = False,
) -> None:
    """List the versions with the decision about each. The latest comes first."""
    from headrace.models.artifact import NAMES

    with _registry() as registry:
        found = [version for name in ([model] if model else NAMES) for version in registry.versions(name)]
    if as_json:
        typer.echo(json.dumps([_version(each) for each in found]))
        return
    rows = [
        (each.name, f"{each.registered_at:%Y-%m-%d %H:%M}", ", ".join(each.aliases), each.decision, each.reason)
        for each in found
    ]
    print_table(("version", "registered", "alias", "decision", "reason"), rows)


def show(model: Model, version: Number = None, as_json: Json = False) -> None:
    """Show one version of a model. Its data, parameters, metrics beside the baselines, and the decision."""
    from headrace.models.registry import champions

    with _registry() as registry:
        shown = _chosen(registry, model, version)
        card = registry.card(shown)
        history = champions.alias_changes(registry.settings.conninfo(role=champions.ROLE), model)
    if as_json:
        changes = [{"version": change.version, "since": change.since.isoformat()} for change in history]
        typer.echo(json.dumps({**_version(shown), "card": _plain(card), "champions": changes}))
        return
    print_table(("", ""), [(name, value) for name, value in _facts(shown, card)])
    measures = {"model": card.report.model, **card.report.baselines}
    names = list(card.report.model)
    print_table(
        ("", *names), [(who, *(_measure(values.get(name)) for name in names)) for who, values in measures.items()]
    )
    for change in history:
        typer.echo(
            f"{change.since:%Y-%m-%d %H:%M:%S}  {f'{model}-{change.version}' if change.version else 'none'} champion"
        )


def promote(
    model: Model,
    version: Annotated[int, typer.Argument(help="Number of the version.")],
    force: Annotated[bool, typer.Option("--force", help="Promote without comparing it with the champion.")] = False,
    reason: Reason = "by the command line",
    as_json: Json = False,
) -> None:
    """Promote a version if it beats the champion. It must be better by more than chance; exit 1 if it is not."""
    from headrace.models import frames
    from headrace.models.registry import promotion

    with _registry() as registry:
        wanted = registry.version(model, version)
        if force:
            promotion.promote(registry, wanted, reason)
            promoted, why = True, f"by hand: {reason}"
        else:
            card = registry.card(wanted)
            frame = frames.load(Path(card.frame.path), card.name, card.frame.sha256)
            verdict = promotion.consider(registry, wanted, frame)
            promoted, why = verdict.promoted, verdict.reason
    outcome = {"version": wanted.name, "promoted": promoted, "reason": why}
    _print(outcome, f"{wanted.name} {'is the champion' if promoted else 'was not promoted'}: {why}", as_json)
    raise typer.Exit(ExitCode.SUCCESS if promoted else ExitCode.FAILURE)


def rollback(model: Model, reason: Reason = "by the command line", as_json: Json = False) -> None:
    """Make the former champion the champion again. Scorers load it within half a minute."""
    from headrace.models.registry import promotion

    with _registry() as registry:
        restored = promotion.rollback(registry, model, reason)
    _print({"champion": restored.name, "reason": reason}, f"{restored.name} is the champion again.", as_json)


def reproduce(model: Model, version: Number = None, as_json: Json = False) -> None:
    """Train a version again from its stored frame. Exit 1 unless every prediction is the same to the last bit."""
    from headrace.models import frames, training

    with _registry() as registry:
        wanted = _chosen(registry, model, version)
        card = registry.card(wanted)
    frame = frames.load(Path(card.frame.path), card.name, card.frame.sha256)
    again = training.reproduce(card, frame)
    outcome = {"version": wanted.name, "predictions_sha256": again.card.predictions_sha256, "frame": card.frame.path}
    _print(outcome, f"{wanted.name} trained again makes the same predictions, to the last bit.", as_json)


@contextmanager
def _registry() -> "Iterator[Registry]":
    """The registry during a command, whether the stack is running or not."""
    from headrace.contracts.settings import Settings
    from headrace.models.registry.store import Registry
    from headrace.stack import postgres_for_call

    settings = existing(Settings())
    with postgres_for_call(settings):
        yield Registry.open(settings)


def _chosen(registry: "Registry", model: str, number: int | None) -> "Version":
    from headrace.contracts.errors import Terminal

    if number is not None:
        return registry.version(model, number)
    champion = registry.champion(model)
    if champion is None:
        raise Terminal(f"There is no champion of {model}.", remedy=f"Train one: `headrace train {model}`.")
    return champion


def _print(outcome: dict[str, Any], sentence: str, as_json: bool) -> None:
    typer.echo(json.dumps(outcome) if as_json else sentence)


def _version(version: "Version") -> dict[str, Any]:
    return {
        "model": version.model,
        "version": version.number,
        "name": version.name,
        "registered_at": version.registered_at.isoformat(),
        "aliases": list(version.aliases),
        "decision": version.decision,
        "reason": version.reason,
        "verdict": json.loads(version.verdict) if version.verdict else None,
        "run_id": version.run_id,
        "sha256": version.sha256,
    }


def _plain(card: "Card") -> dict[str, Any]:
    from headrace.models import artifact

    return json.loads(artifact.encode(card))


def _facts(version: "Version", card: "Card") -> list[tuple[str, str]]:
    spans = {"trained on": card.training, "evaluated on": card.evaluation, "serving was fitted on": card.serving}
    return [
        ("version", f"{version.name} {', '.join(version.aliases)}"),
        ("registered", f"{version.registered_at:%Y-%m-%d %H:%M:%S}"),
        ("decision", f"{version.decision}: {version.reason}"),
        *((name, f"{span.rows:,} rows, {span.start:%Y-%m-%d} to {span.end:%Y-%m-%d}") for name, span in spans.items()),
        ("frame", f"{card.frame.path}, {card.frame.rows:,} rows, snapshot {card.frame.snapshot}"),
        ("code", card.code),
        ("libraries", ", ".join(f"{name} {number}" for name, number in card.libraries.items())),
        ("parameters", ", ".join(f"{name}={value}" for name, value in card.parameters.items())),
    ]


def _measure(measure: "Measure | None") -> str:
    return "" if measure is None else f"{measure.value:.4f} ({measure.low:.4f} to {measure.high:.4f})"
