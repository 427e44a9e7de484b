"""Where settings come from: the environment, then `.env`, then `headrace.toml` of the project, then defaults.

The project is the nearest folder, from the current one upward, that has a `headrace.toml` or the home of a stack
(`.headrace`). The search ends at the boundary of a file system, as git's does. Files of other accounts are refused,
since settings can name code.
"""

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    TomlConfigSettingsSource,
)

from headrace.contracts.errors import Terminal
from headrace.contracts.setting_names import (
    CONFIG_VARIABLE,
    NOT_SETTINGS,
    PREFIX,
    SECTIONS,
    complaint,
    flattened,
    key,
    variable,
)
from headrace.contracts.setting_types import in_folder

FILE, DOTENV, ENVIRONMENT, DEFAULT = "headrace.toml", ".env", "environment", "default"
"""The origins of a value."""
HOME_FOLDER = ".headrace"
LOCK = "stack.lock"
"""The file in every home of a stack, by which a home is recognized."""
_KUBERNETES = re.compile(r"HEADRACE_((SERVICE_(HOST|PORT\w*)|PORT_\d+_\w+)=.*|PORT=\w+://.*)")
"""Kubernetes sets these variables if a service is named `headrace`."""


@dataclass(frozen=True)
class Project:
    """The folder that relative paths start from, and the files in it."""

    folder: Path
    file: Path | None
    dotenv: Path | None


def find_project(start: Path | None = None, environ: Mapping[str, str] = os.environ) -> Project | None:
    """The project that commands in `start` (by default the current folder) belong to; None if there is none.

    Raises:
        Terminal: its files belong to another account, or `HEADRACE_CONFIG` names no file.
    """
    named = environ.get(CONFIG_VARIABLE)
    if named is not None:
        return _named_project(named) if named else None
    try:
        folder = _project_folder((start or Path.cwd()).absolute())
    except OSError:  # the current folder was deleted
        return None
    if folder is None:
        return None
    project = Project(folder, _existing(folder / FILE), _existing(folder / DOTENV))
    for file in filter(None, (project.file, project.dotenv)):
        require_own(file, trusted_by=folder / FILE)
    return project


def _named_project(named: str) -> Project:
    file = Path(named).expanduser().absolute()
    if not file.is_file():
        raise Terminal(f"There is no file {file}.", remedy=f"Correct {CONFIG_VARIABLE}.")
    return Project(file.parent, file, _existing(file.parent / DOTENV))


def _project_folder(start: Path) -> Path | None:
    device = start.stat().st_dev
    for folder in (start, *start.parents):
        if folder.stat().st_dev != device:
            return None
        if _existing(folder / FILE) or _is_own_home(folder / HOME_FOLDER):
            return folder
    return None


def _existing(path: Path) -> Path | None:
    return path if os.path.isfile(path) else None  # noqa: PTH113  False also for a folder that may not be entered


def _is_own_home(home: Path) -> bool:
    try:
        return home.stat().st_uid == os.geteuid() and (home / LOCK).is_file()
    except OSError:
        return False


def require_own(file: Path, trusted_by: Path | None = None) -> None:
    """Refuse a file that names or is code and that another account can change.

    Raises:
        Terminal: it belongs to another account, or every account can write it. `trusted_by` is the file of settings
            that the user can name to trust it nonetheless.
    """
    # A link of another account could lead to a file of this one, whose relative paths would start at the link's folder.
    owners = {file.parent.stat().st_uid, file.lstat().st_uid, file.stat().st_uid}
    trusted = {os.geteuid(), 0}
    if os.geteuid() == 0 and (caller := os.environ.get("SUDO_UID", "")).isdecimal():
        trusted.add(int(caller))
    if owners - trusted:
        what, remedy = "or its folder belongs to another account", "Change the owner"
    elif file.stat().st_mode & stat.S_IWOTH:
        what, remedy = "can be written by every account", f"Run `chmod o-w {file}`"
    else:
        return
    trust = f", or set {CONFIG_VARIABLE}={trusted_by} to trust it" if trusted_by and trusted_by.exists() else ""
    why = "settings can name code" if trusted_by else "it is run as code"
    raise Terminal(f"{file} {what}, and {why}.", remedy=f"{remedy}{trust}.")


class ProjectFile(TomlConfigSettingsSource):
    """`headrace.toml`: sections instead of prefixes, and paths relative to its folder."""

    def __init__(self, settings_cls: type[BaseSettings], file: Path | None) -> None:
        self._settings = settings_cls
        super().__init__(settings_cls, toml_file=file)

    def _read_file(self, file_path: Any) -> dict[str, Any]:
        try:
            given = flattened(super()._read_file(file_path))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise Terminal(f"{file_path} is not valid TOML: {error}.", remedy="Correct the file.") from None
        except OSError as error:
            raise _unreadable(file_path, error) from error
        fields = {key(name): name for name in self._settings.model_fields}
        if wrong := complaint(given.keys() - fields.keys(), (*fields, *SECTIONS)):
            raise Terminal(f"{file_path}: {wrong}", remedy="Correct the file.")
        return _placed(self._settings, {fields[name]: value for name, value in given.items()}, file_path.parent)


class DotEnvFile(DotEnvSettingsSource):
    """`.env`: environment variables, with paths relative to its folder. Variables of other programs are ignored."""

    def __init__(self, settings_cls: type[BaseSettings], file: Path | None) -> None:
        self._file = file
        try:
            super().__init__(settings_cls, env_file=file, dotenv_filtering="only_existing")
        except (OSError, UnicodeDecodeError) as error:
            raise _unreadable(file, error) from error

    def __call__(self) -> dict[str, Any]:
        if self._file is None:
            return {}
        _require_known(self.settings_cls, self.env_vars, f"{self._file}: ", "Correct the file.")
        return _placed(self.settings_cls, super().__call__(), self._file.parent)


class Environment(EnvSettingsSource):
    """The environment variables."""

    def __call__(self) -> dict[str, Any]:
        _require_known(self.settings_cls, os.environ, "", "Correct or unset the environment variable.")
        return super().__call__()


def _unreadable(file: object, error: Exception) -> Terminal:
    reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
    return Terminal(f"{file} cannot be read: {reason}.", remedy="Correct the file.")


def _placed(settings: type[BaseSettings], values: dict[str, Any], folder: Path) -> dict[str, Any]:
    return {name: in_folder(settings.model_fields[name].annotation, value, folder) for name, value in values.items()}


def _require_known(settings: type[BaseSettings], variables: Mapping[str, str | None], where: str, remedy: str) -> None:
    known = {variable(name) for name in settings.model_fields} | NOT_SETTINGS
    ours = {name.upper(): value for name, value in variables.items() if name.upper().startswith(PREFIX)}
    unknown = [name for name in ours.keys() - known if not _KUBERNETES.fullmatch(f"{name}={ours[name]}")]
    if wrong := complaint(unknown, known):
        raise Terminal(f"{where}{wrong}", remedy=remedy)


def sources(settings: type[BaseSettings]) -> dict[str, PydanticBaseSettingsSource]:
    """The sources by origin; an earlier one takes precedence.

    Raises:
        Terminal: a file cannot be read, or names an unknown setting.
    """
    project = find_project()
    by_folder = {"home": project.folder / HOME_FOLDER} if project else {}
    if project and project.file:
        by_folder["project"] = project.folder
    return {
        ENVIRONMENT: Environment(settings),
        DOTENV: DotEnvFile(settings, project.dotenv if project else None),
        FILE: ProjectFile(settings, project.file if project else None),
        DEFAULT: InitSettingsSource(settings, by_folder),
    }


def origins(settings: type[BaseSettings]) -> dict[str, str]:
    """The origin of each setting's value. Raises the errors of `sources`."""
    found = dict.fromkeys(settings.model_fields, DEFAULT)
    for origin, source in reversed(sources(settings).items()):
        found |= dict.fromkeys(source(), origin)
    return found
