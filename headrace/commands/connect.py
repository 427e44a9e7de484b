"""Commands around Kafka Connect: `connect apply`, `connect status`, `connect watch`."""

import json
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.contracts.exit_codes import ExitCode
from headrace.home import existing
from headrace.terminal import print_table

if TYPE_CHECKING:
    from headrace.streaming.connect.status import ConnectorStatus

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    connect = typer.Typer(name="connect", help="Kafka Connect's connectors, as declared.", no_args_is_help=True)
    connect.command()(apply)
    connect.command()(status)
    connect.command(hidden=True)(watch)
    app.add_typer(connect)


def apply(as_json: Json = False) -> None:
    """Create, update and remove connectors as declared. The stack's watcher does the same."""
    from dataclasses import asdict

    from headrace.contracts.settings import Settings
    from headrace.streaming.connect.applying import apply as apply_declared

    changes = apply_declared(existing(Settings()))
    if as_json:
        typer.echo(json.dumps([asdict(change) for change in changes]))
        return
    done = {"create": "created", "update": "updated", "remove": "removed", "keep": "as declared"}
    print_table(("connector", ""), [(change.name, done[change.action]) for change in changes])


def status(as_json: Json = False) -> None:
    """Show every connector with its tasks and lag. Exit 1 unless all of them run."""
    from dataclasses import asdict

    from headrace.contracts.settings import Settings
    from headrace.streaming.connect.status import connector_statuses

    found = connector_statuses(existing(Settings()))
    if as_json:
        typer.echo(json.dumps([asdict(each) | {"running": each.running} for each in found], indent=2))
    else:
        print_table(("connector", "state", "tasks", "behind", "error"), [_row(each) for each in found])
    raise typer.Exit(ExitCode.SUCCESS if found and all(each.running for each in found) else ExitCode.FAILURE)


def _row(status: "ConnectorStatus") -> tuple[str, ...]:
    tasks = ", ".join(task.state.lower() for task in status.state.tasks)
    behind = "" if status.lag is None else f"{status.lag:,} {status.lag_unit}"
    return (status.state.name, status.state.state.lower(), tasks, behind, status.state.first_error or "")


def watch() -> None:
    """Keep the connectors as declared, and restart failed ones. `headrace up` runs it under the supervisor."""
    from headrace.contracts.settings import Settings
    from headrace.streaming.connect.watching import Watcher
    from headrace.streaming.runtime import logs, metrics

    settings = existing(Settings())
    logs.configure(settings.log_level, console=sys.stderr.isatty())
    watcher = Watcher(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: watcher.stop())
    watcher.run(ready=lambda: metrics.serve(settings, settings.port("connect-watcher")))
