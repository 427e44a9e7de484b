"""Sessions with unreliable servers: reconnects with back-off, and deduplication after a reconnect."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b

import stamina

from headrace.contracts.errors import Transient
from headrace.streaming.runtime import logs, metrics
from headrace.streaming.sources.live.source import Batch
from headrace.streaming.sources.outcomes import Accepted, Ignored, Outcome, Rejected

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 60.0
LONGEST_ASKED_SECONDS = 3_600.0
PAUSE_SECONDS = 0.5
"""Minimum pause between two sessions."""


class AskedToWait(Transient):
    """The server asks to wait for some seconds (429, 503 with Retry-After)."""

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = min(max(seconds, 0.0), LONGEST_ASKED_SECONDS)


def again_and_again(source: str, session: Callable[[], Iterator[Batch]]) -> Iterator[Batch]:
    """Yields the batches of one session after another, indefinitely.

    After `Transient`, a new session begins, with a wait that grows while nothing arrives; `Terminal` is passed on.
    """
    log = logs.logger(part="source", source=source)
    while True:
        for attempt in stamina.retry_context(
            on=whether_to_wait,
            attempts=None,
            timeout=None,
            wait_initial=FIRST_WAIT_SECONDS,
            wait_max=LONGEST_WAIT_SECONDS,
            wait_jitter=FIRST_WAIT_SECONDS,
        ):
            with attempt:
                arrived = False
                metrics.SOURCE_CONNECTIONS.labels(source).inc()
                try:
                    for batch in session():
                        arrived = True
                        yield batch
                except Transient as error:
                    metrics.SOURCE_FAILURES.labels(source, type(error).__name__).inc()
                    log.warning("session ended", reason=str(error))
                    if not arrived or isinstance(error, AskedToWait):
                        raise
        time.sleep(PAUSE_SECONDS)


def whether_to_wait(error: Exception) -> bool | float:
    """Whether a session that ended so is begun again; the seconds until then where the server named them."""
    return error.seconds if isinstance(error, AskedToWait) else isinstance(error, Transient)


class Recent:
    """Recently read keys, to drop what a server repeats after a reconnect. Part of the position."""

    def __init__(self, remembered: int, known: Iterable[str] = ()) -> None:
        self._remembered = remembered
        self._known: OrderedDict[str, None] = OrderedDict.fromkeys(known)

    def once(self, outcome: Outcome) -> Outcome:
        """The outcome, or `Ignored` if it was seen before."""
        if isinstance(outcome, Ignored):
            return outcome
        identity = outcome.event.event_id.encode() if isinstance(outcome, Accepted) else _raw(outcome)
        key = blake2b(identity, digest_size=8).hexdigest()
        if key in self._known:
            return Ignored("seen before")
        self._known[key] = None
        if len(self._known) > self._remembered:
            self._known.popitem(last=False)
        return outcome

    def keys(self) -> list[str]:
        """The keys to store in the position."""
        return list(self._known)


def _raw(rejected: Rejected) -> bytes:
    return rejected.reason.encode() + b"\0" + rejected.raw
