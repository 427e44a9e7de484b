"""Publishes the outcomes of all sources, up to the rate limit, and counts them."""

import time
from collections.abc import Callable, Iterable
from threading import Event as Flag

from headrace.contracts.decoding import InvalidRecord, encode
from headrace.contracts.errors import Terminal
from headrace.streaming.runtime.publishing import DeadLetter, Publisher, Sink, check_size, encode_event
from headrace.streaming.sources.outcomes import (
    EMPTY_LINE,
    Accepted,
    Counts,
    Deliverable,
    Encoded,
    Ignored,
    Rejected,
    Sendable,
)

SHORTEST_WAIT_SECONDS = 0.01
PROGRESS_EVERY = 1_000
"""Inputs between two calls of `progress`."""

Progress = Callable[[Counts], None]


class CountedError(Terminal):
    """An input had an error after part of it was delivered and counted."""

    def __init__(self, counts: Counts, message: str, *, remedy: str) -> None:
        super().__init__(message, remedy=remedy)
        self.counts = counts


class IncompleteInput(CountedError):  # noqa: N818  a verdict on the input
    """The input could not be read to its end. What was read before is delivered and counted."""

    def __init__(self, counts: Counts, cause: Terminal) -> None:
        super().__init__(counts, cause.message, remedy=cause.remedy)


class UnrecognizedInput(CountedError):  # noqa: N818  a verdict on the input
    """The whole input was rejected, so it is probably meant for another source. The dead letters are delivered."""


def require_recognized(counts: Counts, source: str, origin: str) -> None:
    """Check that at least one input was accepted or ignored, unless there was none.

    Raises:
        UnrecognizedInput: everything that was not blank was rejected.
    """
    if not counts.rejected or counts.accepted or counts.ignored > counts.ignored_reasons[EMPTY_LINE]:
        return
    (reason, _), *_ = counts.rejected_reasons.most_common(1)
    raise UnrecognizedInput(
        counts,
        f"Nothing in {origin} is valid input of the source {source}: all {counts.rejected:,} inputs were rejected"
        f" ({reason}, for example).",
        remedy="Give a file of this source, or name the right source.",
    )


class Pace:
    """Limits the rate to `rate` records per second, evenly to a hundredth of a second. `stop` ends a wait at once."""

    def __init__(self, rate: float, stop: Flag, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds_each = 1 / rate
        self._stop = stop
        self._clock = clock
        self._due: float | None = None

    def wait(self) -> None:
        now = self._clock()
        # Lost time (an idle follower, a slow broker) is not made up for by a burst.
        self._due = now if self._due is None or self._due < now - 1 else self._due
        # A wait for each of a thousand records per second would take more CPU time than the records.
        if self._due - now >= SHORTEST_WAIT_SECONDS:
            self._stop.wait(self._due - now)
        self._due += self._seconds_each


def deliver(
    outcomes: Iterable[Deliverable],
    publisher: Publisher,
    *,
    source: str,
    origin: str,
    rate: float | None = None,
    stop: Flag | None = None,
    progress: Progress | None = None,
) -> Counts:
    """Publish until the outcomes end or `stop` is set. `origin` is the input's name, for positions in dead letters.

    Raises:
        IncompleteInput: the input could not be read to its end; everything before the error is delivered.
        Transient: the broker did not accept a record. Then nothing may be counted.
    """
    stop = stop or Flag()
    pace = Pace(rate, stop) if rate else None
    counts = Counts()
    edge = Edge(publisher, counts, f"source:{source}", origin)
    failure: Terminal | None = None
    try:
        for number, outcome in enumerate(outcomes, 1):
            edge.take(outcome)
            if progress is not None and number % PROGRESS_EVERY == 0:
                progress(counts)
            if pace is not None and not isinstance(outcome, Ignored):
                pace.wait()
            if stop.is_set():
                break
    except Terminal as error:
        failure = error
    publisher.flush()
    if failure is not None:
        raise IncompleteInput(counts, failure) from failure
    return counts


def encoded(outcome: Deliverable) -> Sendable:
    """The outcome with its event encoded; an event that readers would reject becomes a rejection."""
    if not isinstance(outcome, Accepted):
        return outcome
    try:
        value = encode(outcome.event) if outcome.sound else encode_event(outcome.event)
        check_size(outcome.key, value)
    except InvalidRecord as invalid:
        return Rejected(outcome.topic, str(invalid), outcome.raw, outcome.position, outcome.key)
    return Encoded(outcome.topic, outcome.key, value)


class Edge:
    """Passes the records of outcomes to a sink, and counts them."""

    def __init__(self, sink: Sink, counts: Counts, stage: str, origin: str) -> None:
        self._sink = sink
        self._counts = counts
        self._stage = stage
        self._origin = origin

    def take(self, outcome: Deliverable) -> None:
        """Pass on one outcome."""
        outcome = encoded(outcome)
        if isinstance(outcome, Encoded):
            self._sink.publish(outcome.topic, outcome.key, outcome.value)
            self._counts.accept(outcome.topic)
        elif isinstance(outcome, Rejected):
            self._reject(outcome)
        else:
            self._counts.ignored += 1
            self._counts.ignored_reasons[outcome.reason] += 1

    def _reject(self, rejected: Rejected) -> None:
        self._sink.dead_letter(
            DeadLetter(
                topic=rejected.topic,
                value=rejected.raw,
                reason=rejected.reason,
                stage=self._stage,
                position=f"{self._origin}:{rejected.position}",
                key=rejected.key,
                size=rejected.size,
            )
        )
        self._counts.rejected += 1
        self._counts.rejected_reasons[rejected.reason] += 1
