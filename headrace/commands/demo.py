"""`headrace demo`: the platform end to end, from one command."""

import sys
import time
from typing import TYPE_CHECKING

import typer

from headrace.contracts.exit_codes import ExitCode

if TYPE_CHECKING:
    from rich.table import Table

    from headrace.contracts.settings import Settings
    from headrace.demo import Outcome, Sample
    from headrace.operations.reconciliation.compare import Reconciliation


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo() -> None:
    """Run everything once on the simulator, and show the results.

    Starts the stack, sends simulated events of both use cases, lands them, builds the warehouse and compares the
    counts. Exit 0 only if they agree. On a terminal, the stack then keeps running until Ctrl-C.
    """
    from headrace.contracts.settings import Settings
    from headrace.demo import demo_stack, run
    from headrace.streaming.runtime import logs
    from headrace.terminal import progress, terminable

    settings = Settings()
    logs.configure(settings.log_level, console=sys.stderr.isatty())
    started = time.monotonic()
    with terminable(), progress() as report, demo_stack(settings, report):
        outcome = run(settings, progress=report, echo=lambda line: typer.echo(f"  {line}", err=True))
        _show(settings, outcome, time.monotonic() - started)
        if outcome.counts_agree and sys.stdin.isatty() and sys.stdout.isatty():
            typer.echo("The stack keeps running. Ctrl-C stops it.")
            _wait_for_interrupt()
    raise typer.Exit(ExitCode.SUCCESS if outcome.counts_agree else ExitCode.FAILURE)


def _wait_for_interrupt() -> None:
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        return


def _show(settings: "Settings", outcome: "Outcome", seconds: float) -> None:
    from rich.console import Console
    from rich.table import Table

    from headrace.guard.doors import link

    console = Console(width=None if sys.stdout.isatty() else 160)
    for sample in outcome.samples:
        console.print(_sample_table(sample, console.width))
    table = Table("topic", "sent now", "in the topic", "landed", "in the warehouse", "", title="Events")
    for row in outcome.topics:
        counts = (f"{count:,}" for count in (row.sent, row.in_topic, row.landed, row.in_warehouse))
        table.add_row(row.topic, *counts, "[green]agree[/]" if row.agrees else "[red]differ[/]")
    console.print(table)
    if outcome.reconciliation.deliveries:
        console.print(_delivery_table(outcome.reconciliation))
    verdict = "All counts agree" if outcome.counts_agree else "The counts do not agree: run `headrace verify`"
    console.print(f"{verdict}, after {seconds:.0f} s.")
    console.print(f"Dagster:    {link(settings, 'dagster')}", markup=False, soft_wrap=True)
    console.print('SQL:        headrace sql "from marts.sales_daily limit 5"', markup=False)
    console.print(f"Plain file: {settings.warehouse_file}", markup=False, soft_wrap=True)


def _delivery_table(result: "Reconciliation") -> "Table":
    from rich.table import Table

    table = Table("table", "live keys of the topic", "rows", "", title="Delivered by Kafka Connect")
    for row in result.deliveries:
        agrees = row.sound and not row.pending
        table.add_row(row.table, f"{row.live:,}", f"{row.rows:,}", "[green]agree[/]" if agrees else "[red]differ[/]")
    for staged in result.staged:
        agrees = not (staged.missing or staged.unexpected or staged.pending)
        table.add_row(staged.table, "as landed", f"{staged.rows:,}", "[green]agree[/]" if agrees else "[red]differ[/]")
    return table


def _sample_table(sample: "Sample", width: int) -> "Table":
    """As many columns as fit into the width without cutting."""
    from rich.table import Table

    room = width - len("┃ … ┃")
    shown = 0
    for column in zip(sample.columns, *sample.sample, strict=True):
        room -= len("┃  ") + max(map(len, column))
        if room < 0:
            break
        shown += 1
    more = ("…",) if shown < len(sample.columns) else ()
    table = Table(*sample.columns[:shown], *more, title=f"{sample.table}, {sample.rows:,} rows", title_justify="left")
    for row in sample.sample:
        table.add_row(*row[:shown], *more)
    return table
