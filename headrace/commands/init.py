"""`headrace init`: a new project, from the files in `headrace/templates/`.

A template is the files in `shared/`, and those in its own folder, which replace files of the same name. Names with a
leading dot are written `dot-…` there, so that git and the wheel treat them as data. `PROJECT_NAME`,
`PROJECT_DOMAIN` (the name of its package) and `HEADRACE_VERSION` in a file are replaced.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

import typer

from headrace.contracts.errors import Terminal

MAX_NAME_LENGTH = 40
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SHARED = "shared"
_DOT = "dot-"


class Template(StrEnum):
    """What a new project starts with."""

    ECOMMERCE = "ecommerce"
    DATA_SCIENCE = "data-science"
    MINIMAL = "minimal"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(init)


def init(
    folder: Annotated[Path, typer.Argument(help="The folder to create; its name is the name of the project.")],
    template: Annotated[
        Template,
        typer.Option(help="The built-in case that the project extends, or `minimal`: nothing but its own things."),
    ] = Template.MINIMAL,
) -> None:
    """Create a project: a folder for topics, tables and code."""
    create(folder, template)
    typer.echo(f"Created the project {folder.name} in {folder}. Next:")
    for line in (f"cd {folder}", "headrace check", "headrace test", "headrace up --detach"):
        typer.echo(f"  {line}")


def create(folder: Path, template: Template) -> None:
    """Write a project. Nothing is written unless all of it is.

    Raises:
        Terminal: the name is not one of a project, or the folder exists or cannot be created.
    """
    name = folder.name
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME_LENGTH:
        raise Terminal(
            f"{name!r} is not a name of a project.",
            remedy=f"Use at most {MAX_NAME_LENGTH} lowercase letters, digits and single hyphens, as in my-shop.",
        )
    if os.path.lexists(folder):
        raise Terminal(f"{folder} exists.", remedy="Name a new folder; nothing was written.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=folder.parent))
    except OSError as error:
        raise Terminal(f"{folder} cannot be created: {error.strerror}.", remedy="Name another folder.") from error
    try:
        for path, text in _written(name, template):
            target = aside / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        aside.rename(folder)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise Terminal(f"{folder} cannot be written: {error.strerror}.", remedy="Name another folder.") from error


def _written(name: str, template: Template) -> Iterator[tuple[Path, str]]:
    """The files of the project: path and text."""
    from importlib.metadata import version

    values = {
        "PROJECT_NAME": name,
        "PROJECT_DOMAIN": name.replace("-", "_"),
        "HEADRACE_VERSION": version("headrace"),
    }
    found: dict[Path, Path] = {}
    with as_file(files("headrace") / "templates") as templates:
        for folder in (templates / _SHARED, templates / template):
            sources = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
            found |= {path.relative_to(folder): path for path in sources}
        for path, source in sorted(found.items()):
            text = source.read_text(encoding="utf-8")
            for placeholder, value in values.items():
                text = text.replace(placeholder, value)
            yield Path(*(re.sub(f"^{_DOT}", ".", part) for part in path.parts)), text
