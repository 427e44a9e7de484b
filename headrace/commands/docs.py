"""`headrace docs`: write the generated reference pages. For contributors; a test checks that the pages are current."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperGroup

_INTRODUCTION = """Generated from the help of the commands by `make docs`; edit the commands, not this page.
Commands read the [settings](settings.md) of the project."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(hidden=True)(docs)


def docs(folder: Annotated[Path, typer.Argument(help="Folder of the documentation.")] = Path("docs")) -> None:
    """Write the reference pages that are generated from the code."""
    from headrace.cli import build_app
    from headrace.contracts.postgres_reference import postgres_page
    from headrace.contracts.reference import exit_codes_page, settings_page, topics_page
    from headrace.streaming.processors.reference import processors_page
    from headrace.streaming.sources.mapped.reference import mappings_page
    from headrace.warehouse.catalog.reference import tables_page

    pages = {
        "commands": commands_page(build_app()),
        "settings": settings_page(),
        "exit-codes": exit_codes_page(),
        "topics": topics_page(),
        "processors": processors_page(),
        "tables": tables_page(),
        "postgres": postgres_page(),
        "mappings": mappings_page(),
    }
    for name, page in pages.items():
        path = folder / "reference" / f"{name}.md"
        path.write_text(page)
        typer.echo(f"Wrote {path}.")


def commands_page(app: typer.Typer) -> str:
    """`docs/reference/commands.md`: the help of every command."""
    root = typer.Context(typer.main.get_command(app), info_name="headrace")
    return "\n\n".join(["# Commands", _INTRODUCTION, *map(_section, _commands(root))]) + "\n"


def _commands(context: typer.Context) -> Iterator[typer.Context]:
    """The contexts of all visible commands that are not groups, in the order of the help."""
    command = context.command
    if not isinstance(command, TyperGroup):
        yield context
        return
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        if child is not None and not child.hidden:
            yield from _commands(typer.Context(child, info_name=name, parent=context))


def _section(context: typer.Context) -> str:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    lines = [f"## {context.command_path}", "", inspect.cleandoc(command.help or ""), "", f"    {usage}"]
    records = [each.get_help_record(context) for each in command.get_params(context) if each.name != "help"]
    rows = [f"| `{_cell(names)}` | {_cell(about)} |" for names, about in filter(None, records)]
    if rows:
        lines += ["", "| option | meaning |", "|---|---|", *rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
