"""Problems with the flow of data through a running stack, for `headrace status`."""

from collections.abc import Iterator
from dataclasses import dataclass

from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS

_SECONDS = 2.0


@dataclass(frozen=True)
class Trouble:
    """A problem and its remedy."""

    what: str
    remedy: str


def troubles(settings: Settings) -> list[Trouble]:
    """Records lost by Kafka, stopped partitions, and open transactions that block readers."""
    found: list[Trouble] = []
    for check in (_landing, _transactions):
        try:
            found += check(settings)
        except Transient:
            continue  # the table of programs shows that a server is unavailable
        except Exception as error:  # noqa: BLE001  status reports every error
            first = (str(error).splitlines() or [type(error).__name__])[0]
            found.append(Trouble(f"{check.__name__.strip('_')} cannot be checked: {first}", "See `headrace doctor`."))
    return found


def _landing(settings: Settings) -> Iterator[Trouble]:
    from headrace.streaming.landing.positions import topic_states

    for state in topic_states(settings.conninfo()):
        if state.truncated_offsets:
            yield Trouble(
                f"Kafka lost {state.truncated_offsets:,} offsets of {state.topic} after they had landed: they are kept",
                "See docs/explanation/landing.md, and check Kafka's disk or replicas.",
            )
        for stopped in state.stopped_partitions:
            yield Trouble(
                f"{state.topic}-{stopped}", f"Run `headrace landing accept-gap {state.topic}` to record the gap."
            )


def _transactions(settings: Settings) -> Iterator[Trouble]:
    from headrace.streaming.runtime.health import broker_answers, quiet_admin
    from headrace.streaming.runtime.open_transactions import open_transactions

    if not broker_answers(settings, _SECONDS):
        return
    admin = quiet_admin(settings)
    known = admin.list_topics(timeout=_SECONDS).topics
    keys = [(topic, partition) for topic in TOPICS if topic in known for partition in known[topic].partitions]
    for found in open_transactions(settings, admin, keys):
        yield Trouble(found.reason, found.remedy)
