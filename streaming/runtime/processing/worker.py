"""One instance ("slot") of a processor: gathers batches, and commits each in one Kafka transaction.

    1. gather records, by partition; those of a partition that is revoked meanwhile are let go   (`_gather`)
    2. process: all in memory, over views of the stores                                          (`_process`)
    3. begin the transaction; produce outputs, dead letters, state changes and, last, the ledger (`_produce`)
    4. wait until the broker has acknowledged them
    5. add the consumer group's offsets
    6. commit
    7. write the stores, with the changelog offset they then reflect                             (`_store`)

Rebalances are served inside of step 1 alone, when no transaction is open; the group's generation goes with step 5, so
that the offsets of an instance that was left behind are refused. Whatever fails in a way that can be aborted is
aborted, and reading goes on from the ledgers. Where the outcome of a call is unknown, the process ends: librdkafka has
no KIP-890, so a producer may not be used after that. The supervisor starts it again.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from contracts.errors import Terminal, Transient
from contracts.settings import Settings
from contracts.topics import TOPICS
from streaming.processors.processor import Processor
from streaming.runtime import clients, logs, metrics
from streaming.runtime.failpoints import failpoint
from streaming.runtime.processing import changelog, ledger
from streaming.runtime.processing.batch import Raw, Share, letter_headers, letter_key, process
from streaming.runtime.processing.ledger import Ledger
from streaming.runtime.processing.store import LEDGER_KEY, Checkpoint, Store
from streaming.runtime.processing.watchdog import Watchdog
from streaming.runtime.topics import topic_ids

Key = tuple[str, int]
"""An input partition: topic and number."""

BATCH_RECORDS, BATCH_BYTES = 10_000, 32_000_000
GATHER_SECONDS = 0.1
CONSUME_RECORDS = 1_000
TRANSACTION_TIMEOUT_MS = 10_000
CALL_SECONDS = 30.0
OVERDUE_SECONDS = 20.0
"""Twice what the broker gives a transaction: one that takes longer was aborted by it, or nobody knows."""
RESTART = "The supervisor starts it again, from the last commit."


@dataclass
class Owned:
    """A partition that this slot owns: its store, ledger and the records gathered for the next batch."""

    store: Store
    ledger: Ledger
    gathered: list[Raw] = field(default_factory=list[Raw])
    position: int = 0


class Worker:
    """One slot of a processor; `index` is its stable place in the group."""

    def __init__(
        self,
        settings: Settings,
        processor: Processor,
        *,
        index: int = 0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._processor = processor
        self._clock = clock
        self._log = logs.logger(part=processor.name, index=index)
        # A slot has stores of its own: another one that has lost a partition may still have its store open.
        self._folder = settings.root / "state" / processor.name / str(index)
        self._fatal = clients.FatalErrors()
        self._admin = clients.admin(settings)
        self._owned: dict[Key, Owned] = {}
        self._topic_ids: dict[str, UUID] = {}
        self._changelogs: dict[str, UUID] = {}
        self._group = group_of(settings, processor.name)
        self._consumer: Consumer = clients.consumer(
            settings,
            self._group,
            **{
                "group.instance.id": f"{processor.name}-{index}",
                "client.id": f"headrace-{processor.name}-{index}",
                "session.timeout.ms": 10_000,
                "heartbeat.interval.ms": 2_000,
                "topic.metadata.refresh.interval.ms": 10_000,
                "error_cb": self._fatal.noticed,
            },
        )
        self._producer: Producer = clients.producer(
            settings,
            **{
                "transactional.id": f"{self._group}-{index}",
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
                "delivery.timeout.ms": TRANSACTION_TIMEOUT_MS,
                "linger.ms": 5,
                "queue.buffering.max.messages": 500_000,
            },
        )
        self._watchdog = Watchdog(OVERDUE_SECONDS)
        self._stopping = False

    def stop(self) -> None:
        """Ask the worker to finish its batch and end; safe in a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Process until `stop` is called.

        Raises:
            Terminal: trying again within this process cannot help.
        """
        self._changelogs = changelog.create(self._admin, self._processor.name, self._processor.inputs)
        self._topic_ids = self._present_ids()
        self._call("init_transactions", self._producer.init_transactions)
        self._consumer.subscribe(
            list(self._processor.inputs), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        self._log.info("started", inputs=self._processor.inputs)
        try:
            while not self._stopping:
                self._step()
        finally:
            self._consumer.close()
            for owned in self._owned.values():
                owned.store.close()
        self._log.info("stopped")

    def _step(self) -> None:
        # 1. Gather.
        self._gather()
        failpoint("processing.gathered")
        batch = {key: owned for key, owned in self._owned.items() if owned.gathered}
        if not batch:
            return
        if self._present_ids() != self._topic_ids:
            raise Terminal(
                f"An input topic of {self._processor.name} was deleted and created again.",
                remedy=f"Start over with `headrace process {self._processor.name} --start-over`.",
            )
        # 2. Process.
        shares = self._process(batch)
        failpoint("processing.processed")
        with self._watchdog:
            try:
                self._commit(shares)
            except KafkaException as error:
                self._abort(error)

    # --- 1. gathering ---------------------------------------------------------------------------------------------

    def _gather(self) -> None:
        count, size, deadline = 0, 0, None
        while count < BATCH_RECORDS and size < BATCH_BYTES and not self._stopping:
            if deadline is not None and time.monotonic() >= deadline:
                return
            messages = self._consumer.consume(CONSUME_RECORDS, GATHER_SECONDS)
            self._fatal.check()
            for message in messages:
                if (error := message.error()) is not None:
                    self._take_error(error)
                    continue
                size += self._take(message)
            count += len(messages)
            if messages and deadline is None:
                deadline = time.monotonic() + GATHER_SECONDS
            elif not messages:
                return

    def _take(self, message: Message) -> int:
        """Take a record of a partition that is owned, at or past its position; returns its size."""
        owned = self._owned.get((message.topic() or "", message.partition() or 0))
        offset = message.offset() or 0
        if owned is None or offset < owned.position:
            return 0
        raw = Raw(offset, message.key(), message.value())
        owned.gathered.append(raw)
        owned.position = offset + 1
        return len(raw.value or b"")

    def _take_error(self, error: KafkaError) -> None:
        codes = (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE)  # noqa: SLF001
        if error.fatal() or error.code() in codes:
            raise Terminal(
                f"{self._processor.name} cannot read on: {error.str()}.",
                remedy="If records were deleted before they were processed, start over with "
                f"`headrace process {self._processor.name} --start-over`.",
            )
        self._log.warning("consumer error", code=error.name())

    # --- 2. processing --------------------------------------------------------------------------------------------

    def _process(self, batch: dict[Key, Owned]) -> dict[Key, Share]:
        now, shares = self._clock(), dict[Key, Share]()
        for key, owned in batch.items():
            share = process(self._processor, key[0], owned.gathered, owned.store, now)
            owned.gathered = []
            owned.ledger = owned.ledger.after(
                share.next_offset,
                inputs=share.inputs,
                used=share.used,
                outputs=len(share.outputs),
                drops=share.drops,
                dead_letters=share.dead_letters,
                notes=share.notes,
            )
            share.changes[LEDGER_KEY] = ledger.encode(owned.ledger)
            shares[key] = share
        return shares

    # --- 3. to 7. the transaction ---------------------------------------------------------------------------------

    def _commit(self, shares: dict[Key, Share]) -> None:
        started = time.perf_counter()
        reflected: dict[Key, int] = {}
        # 3. Begin, and produce everything that the batch came to.
        self._producer.begin_transaction()
        for key, share in shares.items():
            self._produce(key, share, reflected)
        failpoint("processing.produced")
        # 4. Wait until the broker has it all; the reports tell the changelog's offsets.
        if self._producer.flush(CALL_SECONDS) or len(reflected) < len(shares):
            raise Transient("Kafka did not take a batch in time.")
        failpoint("processing.flushed")
        # 5. The offsets, under the generation of the group that this slot knows.
        offsets = [TopicPartition(*key, share.next_offset) for key, share in shares.items()]
        self._producer.send_offsets_to_transaction(offsets, self._consumer.consumer_group_metadata(), CALL_SECONDS)
        failpoint("processing.offsets_sent")
        # 6. Commit.
        self._producer.commit_transaction(CALL_SECONDS)
        failpoint("processing.committed")
        # 7. Only now the stores.
        self._store(shares, reflected)
        failpoint("processing.stored")
        self._tell(shares, time.perf_counter() - started)

    def _produce(self, key: Key, share: Share, reflected: dict[Key, int]) -> None:
        topic, partition = key
        name, output = self._processor.name, self._processor.output
        for encoded in share.outputs:
            self._send(output, encoded.value, encoded.key)
        for letter in share.refused:
            headers = letter_headers(name, topic, partition, letter)
            self._send(TOPICS[topic].dead_letter, letter.raw.value, letter_key(letter), headers=headers)
        state_topic = changelog.changelog_topic(name, topic).name
        own = share.changes.pop(LEDGER_KEY)
        for state_key, value in share.changes.items():
            self._send(state_topic, value, state_key, partition=partition)
        share.changes[LEDGER_KEY] = own

        def on_delivery(error: KafkaError | None, message: Message) -> None:
            if error is None:
                reflected[key] = (message.offset() or 0) + 1

        self._send(state_topic, own, LEDGER_KEY, partition=partition, on_delivery=on_delivery)

    def _send(self, topic: str, value: bytes | None, key: bytes | None, **more: object) -> None:
        while True:
            try:
                return self._producer.produce(topic, value, key, **more)  # pyright: ignore[reportArgumentType]
            except BufferError:
                self._producer.poll(0.1)

    def _store(self, shares: dict[Key, Share], reflected: dict[Key, int]) -> None:
        for key, share in shares.items():
            checkpoint = Checkpoint(self._changelogs[key[0]], reflected[key], datetime.now(UTC))
            self._owned[key].store.write(share.changes, checkpoint)

    def _abort(self, error: KafkaException) -> None:
        """Abort what can be aborted, and go on from the ledgers; anything else ends the process."""
        cause: KafkaError = error.args[0]
        if not cause.txn_requires_abort():
            raise Terminal(f"The outcome of a transaction is unknown: {cause.str()}.", remedy=RESTART) from error
        self._log.warning("transaction aborted", code=cause.name())
        self._call("abort_transaction", self._producer.abort_transaction)
        for key, owned in self._owned.items():
            owned.ledger = self._ledger(key, owned.store)
            owned.gathered, owned.position = [], owned.ledger.next
            self._seek(key, owned.ledger.next)

    def _call(self, name: str, call: Callable[[float], None]) -> None:
        deadline = time.monotonic() + CALL_SECONDS
        while True:
            try:
                return call(CALL_SECONDS)
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    raise Terminal(f"{name} failed: {error.args[0].str()}.", remedy=RESTART) from error
                time.sleep(0.2)

    def _seek(self, key: Key, offset: int) -> None:
        deadline = time.monotonic() + CALL_SECONDS
        while True:
            try:
                return self._consumer.seek(TopicPartition(*key, offset))
            except KafkaException as error:
                if time.monotonic() > deadline:
                    raise Terminal(f"{key[0]} cannot be read again: {error.args[0].str()}.", remedy=RESTART) from error
                time.sleep(0.1)

    def _tell(self, shares: dict[Key, Share], seconds: float) -> None:
        name = self._processor.name
        for (topic, _), share in shares.items():
            metrics.PROCESSED.labels(name, topic).inc(share.inputs)
            metrics.PRODUCED.labels(name).inc(len(share.outputs))
            for reason, count in share.drops.items():
                metrics.DROPPED.labels(name, reason).inc(count)
            for category, count in share.dead_letters.items():
                metrics.DEAD_LETTERS.labels(name, category).inc(count)
        metrics.TRANSACTION_SECONDS.labels(name).observe(seconds)

    # --- rebalances, inside `consume` -----------------------------------------------------------------------------

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        keys = [(each.topic, each.partition) for each in partitions]
        restorer = changelog.Restorer(self._settings, self._admin, self._processor.name, self._changelogs)
        for key in keys:
            started = time.perf_counter()
            store, replayed = restorer.open(*key, self._store_folder(key), lambda: None)
            self._owned[key] = owned = Owned(store, self._ledger(key, store))
            owned.position = owned.ledger.next
            took = round(time.perf_counter() - started, 3)
            self._log.info("state ready", topic=key[0], partition=key[1], replayed=replayed, seconds=took)
        # The ledgers say where to go on: they were committed in the same transactions as the group's offsets.
        consumer.incremental_assign([TopicPartition(*key, self._owned[key].position) for key in keys])

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # No transaction is open here (1), so what was gathered of these partitions is simply not processed.
        self._let_go(partitions)
        consumer.incremental_unassign(partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._log.warning("partitions lost", partitions=len(partitions))
        self._let_go(partitions)
        consumer.incremental_unassign(partitions)

    def _let_go(self, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            owned = self._owned.pop((each.topic, each.partition), None)
            if owned is not None:
                owned.store.close()

    def _store_folder(self, key: Key) -> Path:
        return self._folder / key[0] / str(key[1])

    def _ledger(self, key: Key, store: Store) -> Ledger:
        present = self._topic_ids[key[0]]
        raw = store.get(LEDGER_KEY)
        if raw is None:
            (low, _) = self._consumer.get_watermark_offsets(TopicPartition(*key), CALL_SECONDS)
            return Ledger(present, low, low)
        found = ledger.decode(raw)
        if found.topic_id != present:
            raise Terminal(
                f"The state of {self._processor.name} is of an earlier topic {key[0]}.",
                remedy=f"Start over with `headrace process {self._processor.name} --start-over`.",
            )
        return found

    def _present_ids(self) -> dict[str, UUID]:
        found = topic_ids(self._admin, self._processor.inputs)
        if missing := set(self._processor.inputs) - set(found):
            raise Terminal(
                f"There is no topic {', '.join(sorted(missing))}.", remedy="Create it first: `headrace up` does."
            )
        return found


def group_of(settings: Settings, processor: str) -> str:
    """Name of the consumer group of a processor."""
    return f"{settings.database}-{processor}"
