"""One instance of a processor: gathers batches, and commits each in one Kafka transaction.

    1. gather records by partition; drop those of partitions that are revoked meanwhile          (`_gather`)
    2. process: all in memory, over views of the stores                                          (`_process`)
    3. begin the transaction; produce outputs, dead letters, state changes and, last, the ledger (`transaction`)
    4. wait until the broker has acknowledged them
    5. add the consumer group's offsets
    6. commit
    7. write the stores, with the changelog offset they then reflect                             (`_store`)

Rebalances happen only in step 1, when no transaction is open. Step 5 includes the group's generation, so that the
offsets of a zombie instance are rejected. After an abort, reading resumes from the ledgers.
"""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path

import stamina
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from headrace.contracts import clock
from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.settings import Settings
from headrace.contracts.topic import TopicAndPartition
from headrace.streaming.runtime import clients, logs, metrics
from headrace.streaming.runtime.arrival import times_and_arrivals
from headrace.streaming.runtime.careful.memory import CAREFUL_BYTES, MemoryGuard
from headrace.streaming.runtime.careful.reader import UNREADABLE, CarefulReader
from headrace.streaming.runtime.careful.stalls import Stalls
from headrace.streaming.runtime.failpoints import failpoint
from headrace.streaming.runtime.lookup import content_print
from headrace.streaming.runtime.processing import changelog, ledger, resume
from headrace.streaming.runtime.processing.batch import Inputs, process
from headrace.streaming.runtime.processing.inputs import held
from headrace.streaming.runtime.processing.partition_state import PartitionState, ledger_after, take_stretch
from headrace.streaming.runtime.processing.processor import Processor
from headrace.streaming.runtime.processing.store import LEDGER_KEY, Checkpoint, Store
from headrace.streaming.runtime.processing.tables import tables_of
from headrace.streaming.runtime.processing.transaction import Aborted, Committer, PartitionCommit
from headrace.streaming.runtime.topics import ask_topic_ids, leader_epochs, offset_bounds
from headrace.streaming.runtime.transactions import CALL_SECONDS, RESTART

BATCH_RECORDS, BATCH_BYTES = 50_000, 32_000_000
"""Maximum size of a transaction. It is smaller if fewer records arrive within `GATHER_SECONDS`."""
GATHER_SECONDS = 0.1
CONSUME_RECORDS = 4_000
MEMORY_BYTES = 1_500_000_000
"""Memory limit of an instance: several times its usage under load, including models."""
MAX_EPOCH = 2**31


class Worker:
    """One instance of a processor; `index` is its stable member number in the group."""

    def __init__(
        self,
        settings: Settings,
        processor: Processor,
        *,
        index: int = 0,
        batch_records: int = BATCH_RECORDS,
        clock: Callable[[], datetime] = clock.now,
    ) -> None:
        self._settings = settings
        self._processor = processor
        tables_of(processor)  # raises if they clash
        self._by_arrival: bool = getattr(processor, "by_arrival", False)
        self._batch_records = batch_records
        self._clock = clock
        self._log = logs.logger(part=processor.name, index=index)
        # Each instance has its own stores: another one that lost a partition may still have its store open.
        self._folder = settings.root / "state" / processor.name / str(index)
        self._guard = MemoryGuard(settings.root / "state" / f"{processor.name}-{index}.full", MEMORY_BYTES)
        self._is_careful = False
        self._careful: dict[TopicAndPartition, int] = {}
        self._stalls = Stalls()
        self._fatal = clients.FatalErrors()
        self._admin = clients.admin(settings)
        self._owned: dict[TopicAndPartition, PartitionState] = {}
        self._topics = resume.Topics(self._admin, processor)
        group = group_of(settings, processor.name)
        self._consumer: Consumer = clients.consumer(
            settings,
            group,
            **{
                "group.instance.id": f"{processor.name}-{index}",
                "client.id": f"headrace-{processor.name}-{index}",
                "session.timeout.ms": 10_000,
                "heartbeat.interval.ms": 2_000,
                "max.poll.interval.ms": int(changelog.MAX_POLL_SECONDS * 1_000),
                "topic.metadata.refresh.interval.ms": 10_000,
                "fetch.min.bytes": 64_000,
                "fetch.wait.max.ms": int(GATHER_SECONDS * 1_000 / 2),
                "enable.partition.eof": True,
                "error_cb": self._fatal.noticed,
            },
        )
        self._committer = Committer(settings, processor, f"{group}-{index}")
        self._suspicion: str | None = None
        self._stopping = False

    def stop(self) -> None:
        """Ask the worker to finish its batch and end; safe in a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Process until `stop` is called.

        Raises:
            Transient, Terminal: retrying within this process cannot help.
        """
        self._topics.prepare()
        self._committer.start()
        self._is_careful = self._guard.start()
        self._consumer.subscribe(
            list(self._processor.inputs), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        self._log.info("started", inputs=self._processor.inputs)
        try:
            while not self._stopping:
                self._step()
        finally:
            self._consumer.close()
            for state in self._owned.values():
                state.store.close()
        self._log.info("stopped")

    def _step(self) -> None:
        # 1. Gather.
        self._gather()
        if self._suspicion is not None:
            self._look_again(self._suspicion)
            return
        batch = {key: state for key, state in self._owned.items() if state.gathered}
        if not batch:
            return
        failpoint("processing.gathered")
        # A consumer does not detect recreated topics, so check the ids after the last record was read.
        present_ids = ask_topic_ids(self._admin, self._processor.inputs)
        # 2. Process.
        commits = self._process(batch)
        failpoint("processing.processed")
        if present_ids() != self._topics.ids:
            name = self._processor.name
            raise resume.reset_needed(self._processor, f"An input topic of {name} was deleted or created again.")
        # 3. to 6. The transaction.
        started = time.perf_counter()
        try:
            reflected = self._committer.commit(commits, self._consumer.consumer_group_metadata())
        except Aborted:
            self._topics.require_changelogs()
            self._go_back()
            return
        # 7. Only now write the stores.
        self._store(commits, reflected)
        failpoint("processing.stored")
        self._record_metrics(commits, time.perf_counter() - started)

    # --- 1. gathering ---------------------------------------------------------------------------------------------

    def _gather(self) -> None:
        if self._careful:
            self._take(
                self._consumer.consume(CONSUME_RECORDS, 0.0)
            )  # an instance that does not poll is removed from its group
            self._fatal.check()
        if self._careful:
            return self._gather_carefully(*self._careful.popitem())
        if self._stalls.is_due:
            positions = {key: state.position for key, state in self._owned.items()}
            for key in self._stalls.look(self._consumer, positions):
                self._pass_unreadable(key)
        count, size, deadline = 0, 0, None
        while count < self._batch_records and size < BATCH_BYTES and not self._stopping and not self._suspicion:
            if deadline is not None and time.monotonic() >= deadline:
                return None
            wanted = min(CONSUME_RECORDS, self._batch_records - count)
            messages = self._consumer.consume(wanted, GATHER_SECONDS)
            self._fatal.check()
            if not messages:
                return None
            if deadline is None:
                deadline = time.monotonic() + GATHER_SECONDS
            count += len(messages)
            size += self._take(messages)
            if all(map(Message.error, messages)):
                return None  # nothing but the ends of partitions
        return None

    def _take(self, messages: list[Message]) -> int:
        """Take the records of partitions that are owned, at or past their position; returns their size."""
        unreadable: set[TopicAndPartition] = set()
        if any(map(Message.error, messages)):
            for message in messages:
                if (error := message.error()) is None:
                    continue
                key = clients.place_of(message)
                if error.code() == clients.END_OF_PARTITION:
                    self._stalls.at_end(key, int(message.offset() or 0))
                    continue
                self._take_error(error)
                if error.code() in UNREADABLE:
                    unreadable.add(key)
            messages = [message for message in messages if message.error() is None]
        size = begin = 0
        # Records come in runs of one partition; per-record work only happens inside `map`.
        for place, run in groupby(zip(map(Message.topic, messages), map(Message.partition, messages), strict=True)):
            end = begin + sum(1 for _ in run)
            taken, begin = messages[begin:end], end
            state = self._owned.get(place)  # pyright: ignore[reportArgumentType]  a record has a topic and partition
            if state is None:
                continue
            if (taken[0].offset() or 0) < state.position:
                taken = [message for message in taken if (message.offset() or 0) >= state.position]
            if taken:
                state.gathered += taken
                state.position = (taken[-1].offset() or 0) + 1
                if (taken[-1].leader_epoch() or 0) > (state.epoch if state.epoch is not None else MAX_EPOCH):
                    self._suspicion = "leader changed"
                size += sum(map(len, taken))
        return size + sum(map(self._pass_unreadable, unreadable))

    def _pass_unreadable(self, key: TopicAndPartition) -> int:
        """Carefully read the batch at which the client fails; returns the size of its records."""
        state, stretch = self._owned.get(key), None
        if state is None:
            return 0
        try:
            with CarefulReader(self._settings) as reader:
                stretch = reader.next_batch(*key, state.position)
        except Transient as error:
            self._log.warning(
                "cannot read carefully yet", error=str(error)
            )  # the client fails there again, which retries
        if stretch is None:
            return 0
        take_stretch(self._processor.name, state, stretch)
        self._seek(key, state.position)
        return sum(map(len, stretch.messages))

    def _gather_carefully(self, key: TopicAndPartition, left: int) -> None:
        """After the process ended for lack of memory: gather a batch carefully; the client resumes after `left`
        bytes."""
        state, size = self._owned[key], 0
        with CarefulReader(self._settings) as reader:
            for stretch in reader.read(*key, state.position):
                take_stretch(self._processor.name, state, stretch)
                size += sum(map(len, stretch.messages))
                left -= stretch.stored_bytes
                if left <= 0:
                    break
                if size >= BATCH_BYTES or len(state.gathered) >= self._batch_records:
                    self._careful[key] = left
                    return
        self._seek(key, state.position)
        self._consumer.resume([TopicPartition(*key)])

    def _take_error(self, error: KafkaError) -> None:
        self._fatal.noticed(error)
        self._fatal.check()
        if error.code() in clients.OUT_OF_RANGE:
            self._suspicion = error.str()
            return
        self._log.warning("consumer error", code=error.name())

    # --- 2. processing --------------------------------------------------------------------------------------------

    def _process(self, batch: dict[TopicAndPartition, PartitionState]) -> dict[TopicAndPartition, PartitionCommit]:
        now, commits = self._clock(), dict[TopicAndPartition, PartitionCommit]()
        for key, state in batch.items():
            messages, state.gathered = state.gathered, []
            inputs = Inputs(
                list(map(Message.offset, messages)),  # pyright: ignore[reportArgumentType]  a record has an offset
                list(map(Message.key, messages)),
                list(map(Message.value, messages)),
                _arrivals(messages) if self._by_arrival else None,
                self._committer.odd_headers.of_all(messages),
            )
            result = process(self._processor, key[0], inputs, state.store, now)
            state.ledger = ledger_after(state.ledger, result, messages[-1])
            commits[key] = PartitionCommit(messages, result, ledger.encode(state.ledger))
        return commits

    # --- after the transaction ------------------------------------------------------------------------------------

    def _store(
        self, commits: dict[TopicAndPartition, PartitionCommit], reflected: dict[TopicAndPartition, int]
    ) -> None:
        for key, commit in commits.items():
            last = (reflected[key] - 1, *content_print(commit.ledger))
            checkpoint = Checkpoint(self._topics.changelogs[key[0]], reflected[key], clock.now(), last)
            self._owned[key].committed = self._owned[key].ledger
            self._owned[key].store.write({**commit.result.changes, LEDGER_KEY: commit.ledger}, checkpoint)

    def _go_back(self) -> None:
        """Resume from the last commit."""
        self._topics.ledgers(
            self._consumer, {key: state.store for key, state in self._owned.items()}
        )  # raises if one was lost
        for key, state in self._owned.items():
            state.ledger = state.committed
            state.gathered, state.position = [], state.ledger.next
            self._seek(key, state.ledger.next)

    def _look_again(self, suspicion: str) -> None:
        """Resume from the last commit, or from the first offset that the broker lost."""
        self._log.warning("looking for lost inputs", reason=suspicion)
        self._topics.require_inputs()
        books = {key: state.committed for key, state in self._owned.items()}
        epochs = leader_epochs(self._admin, books)
        books_held = held(self._settings, self._admin, self._processor.name, books, carefully=self._is_careful)
        for key, (low, _) in offset_bounds(self._admin, books).items():
            if books_held[key].next < low:
                raise resume.expired(self._processor, key, books_held[key].next, low)
        for key, state in self._owned.items():
            state.ledger, state.committed, state.epoch = books_held[key], books_held[key], epochs.get(key)
            state.gathered, state.position = [], state.ledger.next
            self._seek(key, state.position)
        self._suspicion = None

    def _seek(self, key: TopicAndPartition, offset: int) -> None:
        try:
            for attempt in stamina.retry_context(
                on=KafkaException, attempts=None, timeout=CALL_SECONDS, wait_initial=0.1, wait_max=1.0, wait_jitter=0.1
            ):
                with attempt:
                    self._consumer.seek(TopicPartition(*key, offset))
        except KafkaException as error:
            self._topics.require_inputs()
            raise Terminal(f"{key[0]} cannot be read again: {error.args[0].str()}.", remedy=RESTART) from error

    def _record_metrics(self, commits: dict[TopicAndPartition, PartitionCommit], seconds: float) -> None:
        name = self._processor.name
        for (topic, partition), commit in commits.items():
            result = commit.result
            metrics.PROCESSED.labels(name, topic).inc(result.inputs)
            metrics.PRODUCED.labels(name).inc(len(result.outputs))
            for reason, count in result.drops.items():
                metrics.DROPPED.labels(name, reason).inc(count)
            for category, count in result.dead_letters.items():
                metrics.DEAD_LETTERS.labels(name, category).inc(count)
            (_, high) = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            metrics.PROCESSOR_LAG.labels(name, topic, partition).set(max(high - result.next_offset, 0))
        metrics.TRANSACTION_SECONDS.labels(name).observe(seconds)

    # --- rebalances, inside `consume` -----------------------------------------------------------------------------

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        keys = [(each.topic, each.partition) for each in partitions]
        if not self._topics.are_known(keys):
            self._topics.extend()
            self._committer.learn_partitions()
        stores: dict[TopicAndPartition, Store] = {}
        try:
            with changelog.Restorer(
                self._settings, self._admin, self._processor.name, self._topics.changelogs
            ) as restorer:
                for key in keys:
                    started = time.perf_counter()
                    stores[key], replayed = restorer.open(*key, self._store_folder(key))
                    took = round(time.perf_counter() - started, 3)
                    self._log.info("state ready", topic=key[0], partition=key[1], replayed=replayed, seconds=took)
            ledgers = self._topics.ledgers(consumer, stores)
        except BaseException:
            for store in stores.values():
                store.close()
            raise
        epochs = leader_epochs(self._admin, keys)
        name, carefully = self._processor.name, self._is_careful
        for key, book in held(self._settings, self._admin, name, ledgers, carefully=carefully).items():
            self._owned[key] = PartitionState(stores[key], book, book.next, book, epochs.get(key))
        # Resume from the ledgers, which were committed in the same transactions as the group's offsets.
        if self._is_careful:
            ends = offset_bounds(self._admin, keys)
            clients.assign_idle(consumer, {key: ends.get(key, (0, 0))[1] for key in keys})
            self._careful |= dict.fromkeys(keys, CAREFUL_BYTES)
            return
        consumer.incremental_assign([TopicPartition(*key, self._owned[key].position) for key in keys])

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # No transaction is open here (step 1), so gathered records of these partitions are simply dropped.
        for state in self._release(partitions):
            state.store.confirm()
            state.store.close()
        consumer.incremental_unassign(partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._log.warning("partitions lost", partitions=len(partitions))
        # Other instances may have processed them for a while, so the stores must not be confirmed.
        for state in self._release(partitions):
            state.store.close()
        consumer.incremental_unassign(partitions)

    def _release(self, partitions: list[TopicPartition]) -> list[PartitionState]:
        found = [self._owned.pop((each.topic, each.partition), None) for each in partitions]
        for each in partitions:
            self._careful.pop((each.topic, each.partition), None)
        return [state for state in found if state is not None]

    def _store_folder(self, key: TopicAndPartition) -> Path:
        return self._folder / key[0] / str(key[1])


def group_of(settings: Settings, processor: str) -> str:
    """Name of the consumer group of a processor."""
    return f"{settings.database}-{processor}"


def _arrivals(messages: Sequence[Message]) -> list[int]:
    _, arrived = times_and_arrivals(map(Message.timestamp, messages), len(messages))
    return arrived.tolist()
