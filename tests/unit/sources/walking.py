"""Helpers for the tests of sources: outcomes grouped by result, and lines as pieces."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from typing import Any

from headrace.contracts.decoding import decode, encode
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.streaming.runtime.publishing import encode_event
from headrace.streaming.sources.file_source import Options
from headrace.streaming.sources.files import LineSplitter, Piece
from headrace.streaming.sources.ingest import outcomes_of
from headrace.streaming.sources.outcomes import Accepted, Deliverable, Encoded, Ignored, Outcome, Rejected


@dataclass
class Walk:
    """Everything that became of an input."""

    accepted: list[Accepted] = field(default_factory=list[Accepted])
    rejected: list[Rejected] = field(default_factory=list[Rejected])
    ignored: list[Ignored] = field(default_factory=list[Ignored])

    @property
    def counts(self) -> tuple[int, int, int]:
        return len(self.accepted), len(self.rejected), len(self.ignored)

    @property
    def events(self) -> list[Any]:
        return [accepted.event for accepted in self.accepted]

    def of(self, topic: str) -> list[Any]:
        """The events of one topic."""
        return [accepted.event for accepted in self.accepted if accepted.topic == topic]

    @property
    def reasons(self) -> Counter[str]:
        return Counter(outcome.reason for outcome in [*self.rejected, *self.ignored])

    @property
    def values(self) -> list[bytes]:
        """What would be published. Each value is one that the strict decoder takes."""
        for accepted in self.accepted:
            decode(type(accepted.event), encode(accepted.event) if accepted.sound else encode_event(accepted.event))
        return [encode(accepted.event) for accepted in self.accepted]


def readable(outcome: Deliverable) -> Outcome:
    """The outcome with an event to look at, where it has one on the wire, exactly as `encode` would put it there."""
    if not isinstance(outcome, Encoded):
        return outcome
    contract = TOPICS[outcome.topic].contract
    assert contract is not None
    event = decode(contract, outcome.value)
    assert encode(event) == outcome.value
    return Accepted(outcome.topic, outcome.key, event, b"", 0, True)


def walk(outcomes: Iterable[Deliverable]) -> Walk:
    found = Walk()
    for outcome in map(readable, outcomes):
        if isinstance(outcome, Accepted):
            found.accepted.append(outcome)
        elif isinstance(outcome, Rejected):
            found.rejected.append(outcome)
        else:
            found.ignored.append(outcome)
    return found


def walk_file(home: Path, source: str, path: Path, options: Options | None = None) -> Walk:
    return walk(outcomes_of(Settings(home=home), source, path, options or Options(), Flag()))


def pieces(content: bytes, chunk: int = 1 << 18) -> list[Piece]:
    splitter = LineSplitter()
    found: list[Piece] = []
    for start in range(0, len(content), chunk):
        found += splitter.feed(content[start : start + chunk])
    return [*found, *splitter.finish()]
