"""Commands of the local stack: `setup`, `doctor`, `up`, `down`, `status`."""

import json
import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.contracts.exit_codes import ExitCode
from headrace.home import existing
from headrace.terminal import print_table, printable, progress, terminable, uninterrupted

if TYPE_CHECKING:
    from headrace.contracts.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_WATCH_SECONDS = 0.5


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(setup)
    app.command()(doctor)
    app.command()(up)
    app.command()(down)
    app.command()(status)
    app.command()(login)


def setup() -> None:
    """Fetch missing jars of Kafka and Connect.

    They come with Maven, or without it from the repository that the setting `maven_repository` or a mirror in
    ~/.m2/settings.xml names, and are checked against pinned hashes.
    """
    from headrace.contracts.settings import Settings
    from headrace.stack.kafka.jars import BUNDLES, compile_own, fetch, plugins_present
    from headrace.stack.kafka.java import find_java

    settings = Settings()
    os.umask(0o022)  # jars are public, and other accounts may use the environment
    for bundle in BUNDLES:
        if bundle.present():
            typer.echo(f"{bundle.title} is present.")
            continue
        typer.echo(f"Fetching {bundle.title} ...")
        fetch(bundle, settings)
    if not plugins_present():
        typer.echo("Compiling our own parts of Connect ...")
        compile_own(find_java(settings))


def doctor(as_json: Json = False) -> None:
    """Check tools, versions, ports, disk and memory.

    Starts nothing. Exit 1 if a check fails; the remedy is printed beside it.
    """
    from dataclasses import asdict

    from headrace.contracts.settings import Settings
    from headrace.stack import running
    from headrace.stack.doctor import examine

    settings = Settings()
    checks = list(examine(settings, running=running(settings)))
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        print_table(
            ("check", "", "found", "remedy"),
            [(check.name, check.verdict, check.found, check.remedy) for check in checks],
        )
    raise typer.Exit(ExitCode.FAILURE if any(check.verdict == "failed" for check in checks) else ExitCode.SUCCESS)


def up(
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Return once the stack is healthy.")] = False,
) -> None:
    """Start the stack; without --detach it runs until Ctrl-C.

    It runs Kafka, PostgreSQL, the landers, the processors and Dagster, and restarts programs that fail.
    """
    from headrace import stack
    from headrace.contracts.settings import Settings

    settings = Settings()
    with terminable():
        with progress() as report:
            started = stack.up(settings, progress=report)
        if detach or not started:
            _print_addresses(settings, "The stack is up." if started else "The stack is already up.")
            return
        try:
            _print_addresses(settings, "The stack is up.")
            typer.echo("Ctrl-C stops it.")
            _watch(settings)
        finally:
            with uninterrupted(), progress() as report:
                stack.down(settings, progress=report)


def down() -> None:
    """Stop the stack. Also stops programs that a killed supervisor left running."""
    from headrace import stack
    from headrace.contracts.settings import Settings

    settings = Settings()
    with progress() as report:
        stopped = stack.down(settings, progress=report)
    typer.echo("The stack is down." if stopped else f"The stack in {settings.root} was not up.")


def status(as_json: Json = False) -> None:
    """Show every program with its state and memory.

    Problems with the flow of data are listed below. Exit 1 unless all programs run and keep running.
    """
    from dataclasses import asdict

    from headrace import stack
    from headrace.contracts.settings import Settings
    from headrace.stack.supervision import log_file
    from headrace.stack.troubles import troubles

    settings = Settings()
    now = stack.status(settings)
    warnings = troubles(settings) if now.running else []
    if as_json:
        more = {"home": str(settings.root), "healthy": now.healthy, "troubles": [asdict(each) for each in warnings]}
        typer.echo(json.dumps(asdict(now) | more, indent=2))
    elif not now.running:
        typer.echo(f"The stack in {settings.root} is not up. Start it with `headrace up`.")
    else:
        rows = [
            (p.name, p.state.lower(), _duration(p.uptime_s), p.address, str(p.pid or ""), _megabytes(p.memory_bytes))
            for p in now.programs
        ]
        total = ("in all, with the supervisor", "", "", "", "", _megabytes(now.memory_bytes))
        print_table(("program", "state", "up for", "address", "pid", "memory"), [*rows, total])
        for p in now.programs:
            if p.ends:
                typer.echo(f"{p.name} ended {p.ends} times within 5 minutes: {printable(p.last_words)}", err=True)
                typer.echo(f"  See {log_file(settings, p.name)}.", err=True)
        for trouble in warnings:
            typer.echo(f"{printable(trouble.what)}. {trouble.remedy}", err=True)
        typer.echo(f"Logs are in {settings.logs}.")
    raise typer.Exit(ExitCode.SUCCESS if now.healthy else ExitCode.FAILURE)


def login() -> None:
    """Print links that open Dagster and the SQL page in a browser.

    A link works for one hour. The session that it opens lasts 30 days.
    """
    from headrace.contracts.settings import Settings
    from headrace.guard.doors import links

    opening = links(existing(Settings()))
    typer.echo(f"Dagster  {opening['dagster']}")
    typer.echo(f"SQL      {opening['sql']}")


def _print_addresses(settings: "Settings", heading: str) -> None:
    from headrace.guard.doors import links
    from headrace.masking import without_password
    from headrace.streaming.sources.live.registry import services

    typer.echo(heading)
    opening = links(settings)
    typer.echo(f"  Dagster     {opening['dagster']}")
    typer.echo(f"  SQL         {opening['sql']}")
    for name, service in services(settings).items():
        typer.echo(f"  {name:<11} http://{settings.feedback_host}:{settings.port(service.port)}/   ({service.about})")
    typer.echo(f"  Kafka       {settings.bootstrap_servers}")
    typer.echo(f"  PostgreSQL  {without_password(settings.conninfo())}")
    typer.echo(f"  logs        {settings.logs}")
    typer.echo("The links work for an hour; `headrace login` prints new ones.")


def _watch(settings: "Settings") -> None:
    """Wait until the stack is stopped by another process, and raise then."""
    from headrace import stack
    from headrace.contracts.errors import Terminal

    while stack.running(settings):
        time.sleep(_WATCH_SECONDS)
    raise Terminal("The stack was stopped by another process.", remedy=f"See {settings.logs / 'supervisord.log'}.")


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return ""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
