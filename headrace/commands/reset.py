"""`headrace reset`: delete the data of a stopped stack, or the positions of a live source."""

from typing import TYPE_CHECKING, Annotated

import typer

from headrace.home import existing

if TYPE_CHECKING:
    from headrace.contracts.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(reset)


def reset(
    source: Annotated[
        str | None, typer.Option("--source", help="A live source: it reads its input from the beginning again.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All data of the stack, which must be stopped. Secrets stay.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete all data of the stack, or a live source's positions."""
    if everything == (source is not None):
        raise typer.BadParameter("choose one of them", param_hint="--source NAME, --all")
    from headrace.contracts.settings import Settings

    settings = existing(Settings())
    if source is None:
        _everything(settings, yes=yes)
    else:
        _source(settings, source, yes=yes)


def _everything(settings: "Settings", *, yes: bool) -> None:
    from headrace import stack

    stack.require_clearable(settings)
    _ask(
        f"This deletes all data in {settings.root}: Kafka's records, landed files, the warehouse, models and logs.", yes
    )
    stack.clear(settings)
    typer.echo("All data are deleted. `headrace up` starts with an empty stack.")


def _source(settings: "Settings", name: str, *, yes: bool) -> None:
    from headrace import stack
    from headrace.contracts.errors import Terminal
    from headrace.streaming.runtime.health import require_broker
    from headrace.streaming.sources.live.forgetting import forget
    from headrace.streaming.sources.live.registry import live_sources, require_name

    require_name(name)
    declared = live_sources().get(name)
    if declared is not None and declared.service is not None:
        raise Terminal(f"{name} has no position: it receives what is sent to it.", remedy="Choose another source.")
    require_broker(settings)
    _ask(f"This deletes the positions of {name}. It reads its input from the beginning again.", yes)
    with stack.source_stopped(settings, name):
        streams = forget(settings, name)
    typer.echo(f"Positions deleted: {', '.join(streams)}." if streams else f"{name} had no position.")


def _ask(consequence: str, yes: bool) -> None:
    if not yes:
        typer.confirm(f"{consequence} Continue?", abort=True)
