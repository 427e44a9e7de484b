"""The home that a command is for. Only `up` and `demo` create one."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.contracts.settings import Settings


def is_home(root: Path) -> bool:
    """Whether the folder is the home of a stack."""
    from headrace.contracts.setting_sources import LOCK

    return os.path.isfile(root / LOCK)  # noqa: PTH113  False also for a folder that may not be entered


def existing(settings: "Settings") -> "Settings":
    """`settings`, after checking that their stack exists, so that a command in a wrong folder creates nothing.

    With a Kafka or PostgreSQL of the user's own, a home is created where it is needed: the command may run on another
    machine than the stack.

    Raises:
        Terminal: there is no stack.
    """
    from headrace.contracts.errors import Terminal
    from headrace.contracts.setting_sources import DEFAULT, find_project, origins

    if is_home(settings.root) or settings.kafka_bootstrap is not None or settings.postgres_conninfo is not None:
        return settings
    if find_project() is None and origins(type(settings))["home"] == DEFAULT:
        raise Terminal(
            f"There is no stack here: neither {settings.root.parent} nor a folder above it has a headrace.toml or the"
            " home of a stack (.headrace).",
            remedy="Run the command in a project, set HEADRACE_HOME, or create a stack here with `headrace up`.",
        )
    raise Terminal(
        f"There is no stack in {settings.root}.",
        remedy="Create it with `headrace up`, or name another home (`headrace config show`).",
    )
