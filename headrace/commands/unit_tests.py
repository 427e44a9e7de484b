"""`headrace test`: run the unit tests of tables and processors."""

import json
import time
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.contracts.exit_codes import ExitCode
from headrace.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.operations.unit_tests.running import Outcome


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="test")(run_tests)


def run_tests(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Tables, processors, files of tests, or names of tests; all by default.",
        ),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Write what failed tests gave as their expectation, marked for review.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run the unit tests of tables and processors. Exit 1 if one fails.

    The tests are YAML files in the folder `tests` of the project and of the active packages: given rows or events, and
    what the table or processor makes of them. They run in memory, so no stack is needed.
    """
    from headrace.contracts.errors import Terminal
    from headrace.operations.unit_tests.discovery import find
    from headrace.operations.unit_tests.running import run

    started = time.monotonic()
    tests = find(names or [])
    if not tests:
        raise Terminal("There are no unit tests.", remedy="Write one (docs/how-to/test-tables-and-processors.md).")
    outcomes: list[Outcome] = []
    for each in tests:
        outcomes.append(run(each))
        if not as_json:
            _print(outcomes[-1])
    failed = [each for each in outcomes if not each.passed]
    changed = _update(outcomes) if update else 0
    waiting = sum(each.test.needs_review for each in outcomes)
    if as_json:
        _print_json(outcomes, changed)
    else:
        counts = f"{len(outcomes) - len(failed)} passed" + (f", {len(failed)} failed" if failed else "")
        typer.echo(f"{counts} in {time.monotonic() - started:.1f} s.")
        if changed:
            typer.echo(f"Wrote the expectations of {changed} tests. Review them and remove the marks.")
        elif waiting:
            typer.echo(f"The expectations of {waiting} tests wait for review (`# review:` in their files).")
    raise typer.Exit(ExitCode.FAILURE if failed else ExitCode.SUCCESS)


def _print(outcome: "Outcome") -> None:
    test = outcome.test
    typer.echo(printable(f"{'ok    ' if outcome.passed else 'FAILED'} {test.subject}: {test.name}"))
    if not outcome.passed:
        typer.echo(printable(f"       {test.where}"))
        for line in outcome.problems:
            typer.echo(printable(f"       {line}"))


def _print_json(outcomes: "Sequence[Outcome]", changed: int) -> None:
    tests = [
        {
            "subject": each.test.subject,
            "name": each.test.name,
            "place": each.test.where,
            "passed": each.passed,
            "problems": each.problems,
            "needs_review": each.test.needs_review,
            "seconds": round(each.seconds, 3),
        }
        for each in outcomes
    ]
    typer.echo(
        json.dumps({"passed": all(each.passed for each in outcomes), "updated": changed, "tests": tests}, indent=2)
    )


def _update(outcomes: "Sequence[Outcome]") -> int:
    from headrace.operations.unit_tests.updating import update

    paths = dict.fromkeys(each.test.path for each in outcomes)
    return sum(update(path, [each for each in outcomes if each.test.path == path]) for path in paths)
