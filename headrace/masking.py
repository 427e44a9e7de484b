"""Values of settings as they are shown: without passwords and other secrets."""

import re
from typing import Any

from headrace.contracts.setting_types import Secret
from headrace.contracts.settings import Settings

MASK = "********"
_LOGIN = re.compile(r"(?<=://)[^/?#\s]*@")
"""The user and password of an address."""


def shown(name: str, value: Any) -> Any:
    """The value of a setting, with secrets masked."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if any(isinstance(mark, Secret) for mark in Settings.model_fields[name].metadata):
        return MASK
    if name == "postgres_conninfo":
        return without_password(str(value))
    if isinstance(value, tuple | list):
        return [shown(name, each) for each in value]
    return _LOGIN.sub(f"{MASK}@", str(value))


def without_password(conninfo: str) -> str:
    """A libpq string without its passwords; masked whole if libpq cannot parse it."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    try:
        given = conninfo_to_dict(conninfo)
    except ProgrammingError:
        return MASK
    kept = {name: value for name, value in given.items() if name not in ("password", "sslpassword")}
    return conninfo if kept == given else make_conninfo("", **kept)
