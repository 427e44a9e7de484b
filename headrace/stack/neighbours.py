"""Detects another stack on the same Kafka: two with the same database name would share consumer groups."""

import time

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.streaming.processors.registry import all_processors
from headrace.streaming.runtime.health import group_members

EXPIRY_SECONDS = 12.0
"""After this time the members of a killed stack have left its groups: their session timeout is ten seconds."""
_POLL_SECONDS = 0.5


def require_alone(settings: Settings, *, patience: float = EXPIRY_SECONDS) -> None:
    """Require that no other stack uses this database's consumer groups on a Kafka of the user's own.

    Call it before this stack's own programs run. A built-in broker has no other stack.

    Raises:
        Terminal: there is another stack.
        Transient: the broker did not answer.
    """
    if settings.kafka_bootstrap is None:
        return
    deadline = time.monotonic() + patience
    while members := _members(settings):
        if time.monotonic() > deadline:
            raise Terminal(
                f"Another stack uses Kafka at {settings.bootstrap_servers} with the database name {settings.database}:"
                f" {', '.join(sorted(members)[:3])}.",
                remedy="Stop it, or give this one a name of its own with HEADRACE_DATABASE.",
            )
        time.sleep(_POLL_SECONDS)


def _members(settings: Settings) -> set[str]:
    """The members of the landers' and processors' groups."""
    return group_members(settings, [f"{settings.database}-{name}" for name in ("lander", *all_processors())])
