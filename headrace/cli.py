"""The `headrace` command: combines the subcommands, and prints errors as one sentence."""

import os
import sys
from importlib import import_module
from typing import Annotated

import typer

from headrace.contracts.errors import HeadraceError
from headrace.contracts.exit_codes import ExitCode
from headrace.terminal import printable

COMMANDS = (
    *(
        "init",
        "check",
        "demo",
        "stack",
        "sources",
        "reset",
        "landing",
        "processing",
        "connect",
        "contract",
        "dead_letters",
    ),
    *(
        "build",
        "plan",
        "unit_tests",
        "warehouse",
        "lineage",
        "history",
        "serve",
        "training",
        "models",
        "config",
        "docs",
    ),
)
"""Modules of `headrace.commands`, in the order that `--help` shows them."""


def build_app() -> typer.Typer:
    """The command line with all its subcommands."""
    app = typer.Typer(
        name="headrace",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # importing Rich would take half of the time of `--help`
    )
    app.callback()(_global_options)
    for name in COMMANDS:
        import_module(f"headrace.commands.{name}").register(app)
    return app


def _print_version(wanted: bool) -> None:
    from importlib.metadata import version

    if wanted:
        typer.echo(version("headrace"))
        raise typer.Exit


def _global_options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A data platform on one machine: Kafka, exactly-once Parquet landing, a DuckDB warehouse, Dagster."""


def main() -> None:
    """Run the command line. An error that Headrace raises on purpose is one sentence on standard error, and exit 1."""
    # Output (logs, tables, dead letters with personal data) is only readable by the account that runs the command.
    os.umask(0o077)
    try:
        build_app()()
    except HeadraceError as error:
        from headrace.terminal import printable

        sys.exit(printable(str(error)))  # it may quote what came from outside
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except ValueError as error:
        sys.exit(_settings_sentence(error))
    except Exception as error:  # noqa: BLE001  every error is reported as one sentence
        sys.exit(_fault_sentence(error))


def _fault_sentence(error: Exception) -> str:
    """The sentence for an unexpected error. With the log level debug the error is raised with its traceback."""
    if os.environ.get("HEADRACE_LOG_LEVEL", "").lower() == "debug":
        raise error
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")
    what = f"{type(error).__module__.split('.')[0]}.{type(error).__name__}: {first}"
    where = "HEADRACE_LOG_LEVEL=debug shows where; `headrace doctor` and `headrace status` show what is missing."
    return f"This did not work: {printable(what)}\n{where}"


def _settings_sentence(error: ValueError) -> str:
    """The sentence for an invalid setting. Any other error is raised again."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError) or error.title != "Settings":
        raise error
    from headrace.contracts.setting_names import key, variable
    from headrace.contracts.setting_sources import DOTENV, FILE, origins
    from headrace.contracts.settings import Settings

    found = origins(Settings)
    wrong: list[str] = []
    for item in error.errors():
        name = str(item["loc"][0])
        in_file = {FILE: f"{key(name)} in {FILE}", DOTENV: f"{variable(name)} in {DOTENV}"}
        wrong.append(f"{in_file.get(found[name], variable(name))}: {item['msg']}")
    return f"These settings are not valid: {'; '.join(wrong)}. Correct or unset them."
