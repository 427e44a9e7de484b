"""`headrace check`: every mistake in the project, without a stack."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.contracts.exit_codes import ExitCode
from headrace.terminal import printable

if TYPE_CHECKING:
    from headrace.operations.checking.running import Report


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(check)


def check(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check the project and the active packages without a stack. Exit 1 if there is a mistake.

    Checks settings, topics, the headers and SQL of tables against the tables that they read, processors, mappings, unit
    tests, and names that are claimed twice. Each mistake is shown with its file and line, and what to do.
    """
    from headrace.operations.checking.running import check_project

    report = check_project()
    if as_json:
        typer.echo(
            json.dumps({"problems": list(map(asdict, report.problems)), "checked": dict(report.checked)}, indent=2)
        )
    else:
        _print(report)
    raise typer.Exit(ExitCode.FAILURE if report.problems else ExitCode.SUCCESS)


def _print(report: "Report") -> None:
    here = Path.cwd()
    for each in report.problems:
        path = Path(each.file)
        place = path.relative_to(here) if path.is_relative_to(here) else path
        typer.echo(printable(f"{place}:{each.line}: {each.message} {each.remedy}".rstrip()))
    checked = ", ".join(f"{number} {what}" for what, number in report.checked.items())
    count = len(report.problems)
    found = f"{count} {'problem' if count == 1 else 'problems'}" if count else "No problems"
    typer.echo(f"{found}. Checked: {checked or 'the settings'}.")
