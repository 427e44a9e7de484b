"""Types of settings: files, lists and secrets. The environment has only text, a file has TOML's types."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast, get_args

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

SEPARATOR = ","
"""Separates the elements of every list in an environment variable."""


@dataclass(frozen=True)
class Secret:
    """Marks a setting whose value is not shown."""


def absolute(path: Path) -> Path:
    """The path from the current folder, with `~` expanded."""
    return path.expanduser().absolute()


def listed(value: object) -> object:
    """A list from text: JSON if it starts with a bracket, else elements that commas separate.

    Raises:
        ValueError: the JSON is not valid.
    """
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError("This starts like a JSON list, but is not one.") from None
    return [part.strip() for part in value.split(SEPARATOR) if part.strip()]


SettingsFile = Annotated[Path, AfterValidator(absolute)]
"""A file in a setting, made absolute when the settings are read, since programs run in other folders."""
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)]
SettingsFiles = Annotated[tuple[SettingsFile, ...], NoDecode, BeforeValidator(listed)]
"""Files and globs."""


@dataclass(frozen=True)
class _InFolder:
    """Marks text that is a file if it contains a slash."""


def _command(command: str) -> str:
    return str(absolute(Path(command))) if "/" in command else command


Command = Annotated[str, AfterValidator(_command), _InFolder()]
"""A program: a name on the path, or a file."""


def in_folder(annotation: object, value: object, folder: Path) -> object:
    """A value of a file in `folder`: relative paths in it start there. Values of other types are returned unchanged."""
    if not _holds_paths(annotation):
        return value
    if isinstance(value, str) and not _is_list(annotation):
        return _below(folder, value, anything=_holds(annotation, Path))
    value = listed(value)
    if isinstance(value, list):
        return [_below(folder, each, anything=True) for each in cast("list[object]", value)]
    return value


def _below(folder: Path, value: object, *, anything: bool) -> object:
    if not isinstance(value, str) or not (anything or "/" in value):
        return value
    return str(folder / Path(value).expanduser())


def _is_list(annotation: object) -> bool:
    return _holds(annotation, Ellipsis)


def _holds_paths(annotation: object) -> bool:
    return _holds(annotation, Path) or _holds(annotation, _InFolder())


def _holds(annotation: object, wanted: object) -> bool:
    """Whether a type has `wanted` among its parts."""
    return annotation == wanted or any(_holds(part, wanted) for part in _parts(annotation))


def _parts(annotation: object) -> tuple[object, ...]:
    return (*get_args(annotation), *getattr(annotation, "__metadata__", ()))
