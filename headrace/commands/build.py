"""`headrace build`: one build of all assets, as in Dagster."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.contracts.exit_codes import ExitCode
from headrace.home import existing

if TYPE_CHECKING:
    from headrace.contracts.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(build)


def build(
    tables: Annotated[
        list[str] | None, typer.Argument(help="Tables such as marts.sales_daily; all by default.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Compute every row again, and write those that differ.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep running, and build whenever something has landed.")
    ] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait until records sent before have landed.")] = 60.0,
) -> None:
    """Wait for the landers to catch up, then run every asset once. The run shows in the Dagster UI like any other."""
    from headrace.contracts.settings import Settings

    settings = existing(Settings())  # before the imports, which take seconds
    from headrace.orchestration.run import build as run_build
    from headrace.stack import postgres_for_call
    from headrace.streaming.runtime import logs

    logs.configure(settings.log_level, console=sys.stderr.isatty())
    if watch:
        _watch(settings, tables, full)
        return
    with postgres_for_call(settings):
        _wait_for_landing(settings, wait)
        summary = run_build(settings, full=full, select=tables or None, echo=typer.echo)
    for name in summary.skipped:
        typer.echo(f"{name}: not built, because a table that it reads failed", err=True)
    for check in summary.failed_checks:
        typer.echo(f"check failed: {check}", err=True)
    if not summary.success:
        failed = ", ".join(summary.failed) or "see the checks above"
        typer.echo(f"The build failed: {failed}. Dagster run {summary.run_id}.", err=True)
        raise typer.Exit(ExitCode.FAILURE)


def _watch(settings: "Settings", tables: list[str] | None, full: bool) -> None:
    import signal
    from threading import Event

    from headrace.orchestration.watch import watch
    from headrace.stack import postgres_for_call

    if tables or full:
        raise typer.BadParameter("--watch builds all tables incrementally: it takes no tables and no --full.")
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with postgres_for_call(settings):
        typer.echo(
            "Building whenever something has landed. SIGTERM or Ctrl-C ends it after the current cycle.", err=True
        )
        watch(settings, stop, typer.echo)


def _wait_for_landing(settings: "Settings", seconds: float) -> None:
    """Wait until records sent before the build have landed. After the timeout, print a message and continue."""
    from headrace.streaming.landing.progress import committed_ends, wait_until_landed
    from headrace.streaming.runtime.health import broker_answers

    if not seconds:
        return
    if not broker_answers(settings):
        typer.echo("Kafka is not running: building what has landed.", err=True)
        return
    behind = wait_until_landed(settings, committed_ends(settings), timeout=seconds)
    if behind:
        late = f"{behind} records have not landed in {seconds:.0f} s (see `headrace status`)"
        typer.echo(f"{late}: building the rest.", err=True)
    if settings.connect:
        _wait_for_delivery(settings, seconds)


def _wait_for_delivery(settings: "Settings", seconds: float) -> None:
    """Wait until Connect has delivered its records, too."""
    from headrace.streaming.connect.delivered import wait_until_delivered
    from headrace.streaming.runtime.health import connect_answers

    if not connect_answers(settings):
        typer.echo("Connect is not running: building what it has delivered.", err=True)
        return
    left = wait_until_delivered(settings, timeout=seconds)
    if left:
        late = f"{left} records were not delivered in {seconds:.0f} s (see `headrace connect status`)"
        typer.echo(f"{late}: building the rest.", err=True)
