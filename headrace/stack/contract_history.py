"""The contracts that the topics of a home had at its last start. A breaking change is refused while a topic has data.

At each start of Kafka, before any consumer or producer starts:

    1. compare each contract with the kept one
    2. create the topics
    3. keep the contracts

If it is killed before step 3, nothing was written under the new contracts, and the next start compares again.
"""

import json
from collections.abc import Callable
from pathlib import Path

from headrace.contracts.compatibility import Change, compare, remedy
from headrace.contracts.errors import Terminal
from headrace.contracts.export import json_schema
from headrace.contracts.settings import Settings
from headrace.contracts.topic import Topic
from headrace.contracts.topics import EVENT_TOPICS
from headrace.stack.files import write_file

FOLDER = "contracts"


def require_compatible(settings: Settings, has_records: Callable[[Topic], bool]) -> None:
    """Require that no contract has a breaking change while its topic has records in Kafka or landed files.

    Raises:
        Terminal: one has.
    """
    for topic in EVENT_TOPICS:
        breaking = _breaking(settings, topic)
        if breaking and (_has_landed(settings, topic) or has_records(topic)):
            changes = "; ".join(f"{change.field}: {change.what}" for change in breaking)
            kept = _file(settings, topic)
            way = remedy(json.loads(kept.read_bytes()))
            raise Terminal(
                f"The contract of {topic.name}, which has data, has a breaking change: {changes}.",
                remedy=f"{way} Or undo it, or delete all data with `headrace reset --all`. To accept it, delete"
                f" {kept}.",
            )


def keep(settings: Settings) -> None:
    """Keep the contracts for the next start."""
    for topic in EVENT_TOPICS:
        write_file(_file(settings, topic), json.dumps(json_schema(topic), indent=2) + "\n")


def _breaking(settings: Settings, topic: Topic) -> list[Change]:
    try:
        kept = json.loads(_file(settings, topic).read_bytes())
    except FileNotFoundError:
        return []
    return [change for change in compare(kept, json_schema(topic)) if change.breaking]


def _has_landed(settings: Settings, topic: Topic) -> bool:
    return any((settings.landing_root / topic.name).rglob("*.parquet"))


def _file(settings: Settings, topic: Topic) -> Path:
    return settings.root / FOLDER / f"{topic.name}.json"
