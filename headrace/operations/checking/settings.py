"""Checks the settings: names, values, and what the configured sources need."""

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from headrace.contracts.errors import Terminal
from headrace.contracts.setting_names import key, variable
from headrace.contracts.setting_sources import DOTENV, ENVIRONMENT, FILE, find_project, origins
from headrace.contracts.settings import Settings
from headrace.operations.checking.problems import Problem, line_of

_TOML_LINE = re.compile(r"at line (\d+)")


def settings_problems() -> Iterator[Problem]:
    """Names and values in `headrace.toml`, `.env` and the environment that are not valid."""
    try:
        Settings()
    except Terminal as error:
        yield of_file(error)
    except ValidationError as error:
        found = origins(Settings)
        for item in error.errors():
            name = str(item["loc"][0])
            origin = found.get(name, ENVIRONMENT)
            written = key(name).rpartition(".")[2] if origin == FILE else variable(name)
            message = f"{key(name) if origin == FILE else variable(name)}: {item['msg']}."
            file = file_named(origin)
            line = line_of(file.read_text(encoding="utf-8"), written) if file else 1
            yield Problem(str(file) if file else origin, line, message, "Correct or remove it.")


def of_file(error: Terminal, *needles: str) -> Problem:
    """The problem of an error about settings, in the file that it names, else in `headrace.toml`."""
    files = [file for file in map(file_named, (DOTENV, FILE)) if file is not None]
    named = next((file for file in files if str(file) in error.message), None)
    file = named or file_named(FILE)
    message = error.message.removeprefix(f"{file}: ")
    if file is None or (named is None and "HEADRACE_" in message):
        return Problem(ENVIRONMENT, 1, message, error.remedy)
    if match := _TOML_LINE.search(message):
        return Problem(str(file), int(match.group(1)), message, error.remedy)
    words = [word.rpartition(".")[2] for word in re.findall(r"(?:no setting|section) ?([\w.]+)\.", message)]
    return Problem(str(file), line_of(file.read_text(encoding="utf-8"), *words, *needles), message, error.remedy)


def file_named(origin: str) -> Path | None:
    """The file of the project with this origin, if it exists."""
    project = find_project()
    return None if project is None else {FILE: project.file, DOTENV: project.dotenv}.get(origin)
