"""Runs the streams of one live source, and commits each event exactly once.

At the start:

    1. fence the process that ran before, and end what it left open           (`Transactions.start`)
    2. read the positions committed last                                      (`positions.read`)
    3. begin to read, each stream in a thread of its own, from its position   (`_Reader`)

Then, again and again:

    1. gather batches, as they were read                                      (`_gather`)
    2. begin the transaction; produce the events and dead letters             (`_produce`)
    3. produce the positions after them
    4. wait until the broker has acknowledged it all
    5. commit

A failed transaction is aborted and repeated; if the outcome is unknown, the process ends, and the next one starts with
the first list. A stream that cannot continue also ends the process, without losing data.
"""

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from confluent_kafka import KafkaException

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.streaming.runtime import logs, metrics
from headrace.streaming.runtime.failpoints import failpoint
from headrace.streaming.runtime.publishing import DeadLetter, Publisher, dead_letter_record
from headrace.streaming.runtime.transactions import RESTART, Transactions
from headrace.streaming.sources.delivery import Edge
from headrace.streaming.sources.live import positions
from headrace.streaming.sources.live.positions import Entry
from headrace.streaming.sources.live.source import Batch, Source
from headrace.streaming.sources.outcomes import Counts
from headrace.streaming.sources.runs import EncodedRun, InRuns

GATHER_SECONDS = 0.1
GATHER_INPUTS = 20_000
LINGER_MS = 50
"""So that a transaction's records go in few large batches: with 5 ms the broker's thread took twice the CPU time."""
WAITING_BATCHES = 32
"""Batches that a stream may be ahead: together with the size of a batch this bounds the memory."""
ATTEMPTS = 3
TELL_SECONDS = 60.0
_LOOK_SECONDS = 0.5


class _Reader:
    """Reads one stream in a thread. The queue holds batches; what ended the reading comes last."""

    def __init__(self, source: Source, position: Any, arrivals: "queue.Queue[_Arrival]") -> None:
        self._source = source
        self._arrivals = arrivals
        self._free = threading.Semaphore(WAITING_BATCHES)
        self._batches: Iterator[Batch] = source.read(position)
        threading.Thread(target=self._run, name=f"read-{source.stream}", daemon=True).start()

    def taken(self) -> None:
        """A batch was taken: there is room for another one."""
        self._free.release()

    def _run(self) -> None:
        try:
            for batch in self._batches:
                self._free.acquire()
                self._arrivals.put((self, self._source, batch))
            self._arrivals.put((self, self._source, None))
        except BaseException as error:  # noqa: BLE001  raised again in the main thread
            self._arrivals.put((self, self._source, error))


_Arrival = tuple[_Reader, Source, "Batch | BaseException | None"]


class _Sink:
    """Puts records into the open transaction."""

    def __init__(self, transactions: Transactions) -> None:
        self._send = transactions.send

    def publish(self, topic: str, key: bytes, value: bytes) -> None:
        self._send(topic, value, key)

    def dead_letter(self, letter: DeadLetter) -> None:
        topic, value, key, headers = dead_letter_record(letter)
        self._send(topic, value, key, headers=headers)


class Runner:
    """One process of a live source: all its streams, one transactional id. It ends once `stop` is set."""

    def __init__(self, settings: Settings, sources: Sequence[Source], stop: threading.Event) -> None:
        self._settings = settings
        self._sources = {source.stream: source for source in sources}
        self._name = sources[0].name
        if len(self._sources) < len(sources):
            raise Terminal(f"Two streams of {self._name} have the same name.", remedy="Name each once.")
        self._log = logs.logger(part="source", source=self._name)
        self._transactions = Transactions(
            settings, positions.transactional_id(settings, self._name), linger_ms=LINGER_MS
        )
        self._sink = _Sink(self._transactions)
        self._partition = positions.partition_of(self._name)
        self._arrivals: queue.Queue[_Arrival] = queue.Queue()
        self._entries: dict[str, Entry] = {}
        self._reading = 0
        self._told = time.monotonic()
        self._since_report = Counts()
        self._stop = stop

    def run(self) -> None:
        """Read until it is stopped, or until every stream has come to its end.

        Raises:
            Terminal: trying again within this process cannot help.
            Transient: the broker does not answer.
        """
        topics = sorted({topic for source in self._sources.values() for topic in source.topics})
        Publisher(self._settings).check(topics)
        positions.create(self._settings)
        # 1. Fence any earlier process.
        self._transactions.start()
        # 2. Read the committed positions.
        self._entries = positions.read(self._settings, self._name)
        # 3. Read on.
        for stream, source in self._sources.items():
            _Reader(source, self._entries.get(stream, Entry(None)).position, self._arrivals)
        self._reading = len(self._sources)
        self._log.info("started", streams=list(self._sources))
        while not self._stop.is_set():
            gathered = self._gather()
            failpoint("source.gathered")
            if gathered:
                self._commit(gathered)
                self._report()
            elif not self._reading:
                break
        self._report(last=True)
        self._log.info("stopped")

    def _gather(self) -> list[tuple[Source, Batch]]:
        """1. Batches that have arrived: the first one is waited for a moment, further ones a little less."""
        gathered: list[tuple[Source, Batch]] = []
        inputs, deadline = 0, time.monotonic() + _LOOK_SECONDS
        while inputs < GATHER_INPUTS and (self._reading or not self._arrivals.empty()):
            try:
                reader, source, arrived = self._arrivals.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if isinstance(arrived, Batch):
                reader.taken()
                if not gathered:
                    deadline = time.monotonic() + GATHER_SECONDS
                gathered.append((source, arrived))
                inputs += len(arrived.outcomes)
                continue
            self._reading -= 1
            if arrived is not None:
                raise arrived
        return gathered

    def _commit(self, gathered: list[tuple[Source, Batch]]) -> None:
        for _ in range(ATTEMPTS):
            started, counts = time.perf_counter(), Counts()
            with self._transactions.watchdog:
                try:
                    self._entries |= self._transact(gathered, counts)
                except KafkaException as error:
                    self._transactions.abort(error)
                    continue
            self._count(counts, time.perf_counter() - started)
            return
        raise Terminal(f"A transaction was aborted {ATTEMPTS} times.", remedy=RESTART)

    def _transact(self, gathered: list[tuple[Source, Batch]], counts: Counts) -> dict[str, Entry]:
        # 2. Begin, and produce what the batches came to.
        self._transactions.begin()
        entries: dict[str, Entry] = {}
        for source, batch in gathered:
            before = entries.get(source.stream) or self._entries.get(source.stream, Entry(None))
            entries[source.stream] = self._produce(source, batch, before, counts)
        failpoint("source.produced")
        # 3. Produce the positions after them.
        for stream, entry in entries.items():
            key = positions.key_of(self._name, stream)
            self._transactions.send(positions.NAME, positions.encode(entry), key, partition=self._partition)
        failpoint("source.positioned")
        # 4. Wait until the broker has it all.
        self._transactions.flush()
        failpoint("source.flushed")
        # 5. Commit.
        self._transactions.commit()
        failpoint("source.committed")
        return entries

    def _produce(self, source: Source, batch: Batch, before: Entry, counts: Counts) -> Entry:
        own = Counts()
        edge = Edge(self._sink, own, f"source:{self._name}", batch.origin or source.stream)
        outcomes = batch.outcomes
        for each in outcomes.parts() if isinstance(outcomes, InRuns) else outcomes:
            if isinstance(each, EncodedRun):
                self._transactions.send_all(each.topic, zip(each.keys, each.values, strict=True))
                own.accept(each.topic, len(each.values))
            else:
                edge.take(each)
        counts.add(own)
        return Entry(
            batch.position, before.accepted + own.accepted, before.rejected + own.rejected, before.ignored + own.ignored
        )

    def _count(self, counts: Counts, seconds: float) -> None:
        for outcome, number in (
            ("accepted", counts.accepted),
            ("rejected", counts.rejected),
            ("ignored", counts.ignored),
        ):
            metrics.SOURCE_INPUTS.labels(self._name, outcome).inc(number)
        metrics.SOURCE_TRANSACTION_SECONDS.labels(self._name).observe(seconds)
        metrics.SOURCE_LAST_COMMIT.labels(self._name).set_to_current_time()
        self._since_report.add(counts)

    def _report(self, *, last: bool = False) -> None:
        """Log the counts periodically, with the reasons, which are too many for metric labels."""
        if not self._since_report.input or not (last or time.monotonic() - self._told > TELL_SECONDS):
            return
        counts = self._since_report
        self._log.info(
            "read",
            **counts.as_json(),
            rejected_reasons=dict(counts.rejected_reasons.most_common(10)),
            ignored_reasons=dict(counts.ignored_reasons.most_common(10)),
        )
        self._told, self._since_report = time.monotonic(), Counts()
