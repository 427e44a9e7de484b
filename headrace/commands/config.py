"""`headrace config show`: the value of each setting and where it comes from."""

import json
from typing import Annotated, Any

import typer

from headrace.terminal import cell, print_table


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(name="config", help="The settings of this project.", no_args_is_help=True)
    group.callback()(lambda: None)  # a group of one command stays a group
    group.command()(show)
    app.add_typer(group)


def show(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show each setting with its value and origin.

    The origin is the environment, `.env`, `headrace.toml` or the default. Secrets are masked.
    """
    from headrace.contracts.setting_names import key, variable
    from headrace.contracts.setting_sources import find_project, origins
    from headrace.contracts.settings import Settings
    from headrace.masking import shown

    settings, found, project = Settings(), origins(Settings), find_project()
    rows: list[dict[str, Any]] = [
        {
            "setting": key(name),
            "variable": variable(name),
            "value": shown(name, getattr(settings, name)),
            "origin": found[name],
        }
        for name in Settings.model_fields
    ]
    files = [str(file) for file in (project.file, project.dotenv) if file is not None] if project else []
    if as_json:
        folder = str(project.folder) if project else None
        typer.echo(json.dumps({"project": folder, "files": files, "settings": rows}, indent=2))
        return
    if project is None:
        typer.echo("No project: neither this folder nor one above it has a headrace.toml or a stack.")
    else:
        typer.echo(f"Project {project.folder}; files: {', '.join(files) or 'none'}.")
    print_table(
        ("setting", "value", "from", "variable"),
        [(row["setting"], cell(_text(row["value"])), row["origin"], row["variable"]) for row in rows],
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
