"""The lander: a long-running consumer that writes every topic to Parquet, exactly once.

    1. consume in batches; drop what is not expected           (`Intake`, `Buffer.append`)
    2. flush a topic by rows, bytes or age, whichever is first (`_flush_due`)
    3. decode the batch                                        (`batch.to_tables`, in the writer's thread)
    4. write its files durably                                 (`files.write`)
    5. commit positions and files in one transaction           (`positions.commit`)
    6. only then commit the consumer group's offsets, which serve lag monitoring alone (`_take_outcomes`)

PostgreSQL's positions are authoritative. On any failure in steps 3 to 5, everything in memory is dropped and reading
resumes from the stored positions. This is the only recovery path (`_reset`, `_recover`), and it is always safe.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from uuid import UUID

import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from headrace.contracts.errors import Transient
from headrace.contracts.postgres import postgres_needed
from headrace.contracts.settings import Settings
from headrace.contracts.topic import TopicAndPartition
from headrace.contracts.topics import TOPICS
from headrace.streaming.landing import positions
from headrace.streaming.landing.batch import Batch, Buffer
from headrace.streaming.landing.held_back import HeldBack
from headrace.streaming.landing.intake import DRAIN_SECONDS, SUBMIT_SECONDS, Intake, partitions_of
from headrace.streaming.landing.passing import Passing
from headrace.streaming.landing.resume import resume_points
from headrace.streaming.landing.states import Flow, FlowState, Partitions, ResumePoints
from headrace.streaming.landing.writer import Landed, Refused, Writer
from headrace.streaming.runtime import clients, logs, metrics
from headrace.streaming.runtime.careful.headers import OddHeaders
from headrace.streaming.runtime.careful.memory import MemoryGuard
from headrace.streaming.runtime.careful.stalls import Stalls
from headrace.streaming.runtime.failpoints import failpoint
from headrace.streaming.runtime.topics import offset_bounds, topic_ids

CONSUME_RECORDS = 4_000
"""The objects of this many records per call fit the CPU cache until they are packed. With 1,000, throughput is 5%
lower; 8,000 take 30 MB more memory without a gain."""
CONSUME_SECONDS = 0.1
HEARTBEAT_SECONDS = 3.0
MEMORY_BYTES = 1_000_000_000
"""Minimum memory limit of the process; landing a backlog takes less than half of it."""


class Lander(Intake):
    """One lander process. `index` is its stable member number in the consumer group."""

    def __init__(
        self,
        settings: Settings,
        *,
        index: int = 0,
        topics: Iterable[str] = tuple(TOPICS),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._log = logs.logger(part="lander", index=index)
        self._admin = clients.admin(settings)
        self._fatal = clients.FatalErrors()
        self._consumer: Consumer = clients.consumer(
            settings,
            f"{settings.database}-lander",
            **{
                "group.instance.id": f"lander-{index}",
                "client.id": f"headrace-lander-{index}",
                "session.timeout.ms": 10_000,
                "heartbeat.interval.ms": 2_000,
                "topic.metadata.refresh.interval.ms": 10_000,
                # Records are flushed every two seconds, so fetches can wait for larger batches.
                "fetch.min.bytes": 64_000,
                "fetch.wait.max.ms": 250,
                "enable.partition.eof": True,
                "error_cb": self._fatal.noticed,
            },
        )
        self._passing = Passing(settings, self._admin)
        limit = max(MEMORY_BYTES, 6 * settings.landing_buffer_bytes)
        self._guard = MemoryGuard(settings.root / "state" / f"lander-{index}.full", limit)
        self._is_careful = False
        self._writer = Writer(
            conninfo=settings.conninfo(role="headrace_lander"), landing_root=settings.landing_root, admin=self._admin
        )
        self._held_back = HeldBack(settings, self._admin)
        self._db: psycopg.Connection | None = None
        odd_headers = OddHeaders(settings).of
        self._buffers = {name: Buffer(TOPICS[name], clock, odd_headers) for name in topics}
        self._pending: deque[Batch] = deque()
        self._partitions = Partitions()
        self._flow = Flow(clock)
        self._stalls = Stalls(clock)
        self._heartbeat_at = 0.0
        self._stopping = False

    def stop(self) -> None:
        """Ask the lander to flush its buffers and end; safe in a signal handler."""
        self._stopping = True

    def run(self) -> None:
        """Land until `stop` is called."""
        self._writer.start()
        self._is_careful = self._guard.start()
        self._consumer.subscribe(
            list(self._buffers), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )
        self._log.info("started", topics=len(self._buffers))
        try:
            while not self._stopping:
                self._step()
            self._flush_everything(DRAIN_SECONDS)
        finally:
            self._consumer.close()
            self._writer.close()
            if self._db is not None:
                self._db.close()
        self._log.info("stopped")

    def _step(self) -> None:
        self._writer.check()
        self._take_outcomes()
        self._recover_when_due()
        self._submit_pending(SUBMIT_SECONDS)
        if self._flow.state is not FlowState.RECOVERING and (careful := self._partitions.careful):
            self._take_carefully(*careful.popitem())
        # 1. Consume in batches, and drop what is not expected.
        messages = self._consumer.consume(CONSUME_RECORDS, CONSUME_SECONDS)
        self._fatal.check()
        failpoint("landing.consumed")
        self._take(messages)
        self._settle(messages)
        if self._flow.state is FlowState.RUNNING and self._stalls.is_due:
            self._pass_unreadable(self._stalls.look(self._consumer, self._partitions.reading))
        # 2. Flush by rows, bytes or wall-clock age, whichever is first.
        self._flush_due()
        self._heartbeat_when_due()

    # --- 2. flushing ----------------------------------------------------------------------------------------------

    def _flush_due(self) -> None:
        limits = self._settings
        for buffer in self._buffers.values():
            if (
                len(buffer) >= limits.landing_flush_rows
                or buffer.size_bytes >= limits.landing_flush_bytes
                or buffer.age >= limits.landing_flush_seconds
            ):
                self._flush(buffer)
        held = sum(buffer.size_bytes for buffer in self._buffers.values())
        metrics.BUFFERED_BYTES.set(held)
        if held > limits.landing_buffer_bytes:
            self._flush(max(self._buffers.values(), key=lambda buffer: buffer.size_bytes))

    def _flush(self, buffer: Buffer) -> None:
        if len(buffer):
            known = self._partitions
            self._pending.append(buffer.take(known.topic_ids[buffer.topic.name], self._flow.generation, known.log_ids))
            failpoint("landing.flushed")

    def _submit_pending(self, timeout: float) -> None:
        """Pass flushed batches to the writer. While its queue is full, the partitions are paused to bound memory."""
        while self._pending:
            if not self._writer.submit(self._pending[0], 0.0 if self._flow.state is FlowState.PAUSED else timeout):
                if self._flow.state is FlowState.RUNNING:
                    self._flow.pause()
                    self._consumer.pause(partitions_of(self._partitions.assigned))
                return
            self._pending.popleft()
        if self._flow.state is FlowState.PAUSED:
            self._flow.resume()
            self._consumer.resume(partitions_of(self._partitions.reading))

    def _flush_everything(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        for buffer in self._buffers.values():
            self._flush(buffer)
        while self._pending and self._writer.submit(self._pending[0], max(0.0, deadline - time.monotonic())):
            self._pending.popleft()
        self._writer.drain(max(0.0, deadline - time.monotonic()))
        self._take_outcomes()

    # --- 6. after the commit --------------------------------------------------------------------------------------

    def _take_outcomes(self) -> None:
        while not self._writer.outcomes.empty():
            match self._writer.outcomes.get():
                case Landed(commit):
                    self._flow.landed()
                    moved = [TopicPartition(commit.topic, r.partition, r.next) for r in commit.ranges]
                    self._commit_offsets(moved)
                    failpoint("landing.offsets_committed")
                case Refused() as refused if refused.generation == self._flow.generation:
                    self._reset(refused.reason, refused.detail)
                case Refused():
                    pass  # from before the last reset

    def _commit_offsets(self, moved: list[TopicPartition]) -> None:
        try:
            self._consumer.commit(offsets=moved, asynchronous=True)
        except KafkaException as error:
            # These offsets only serve lag monitoring with Kafka's tools; the positions are already in PostgreSQL.
            self._log.debug("group offsets not committed", error=str(error))

    # --- recovery ------------------------------------------------------------------------------------------------

    def _reset(self, reason: str, detail: str = "") -> None:
        """Drop everything in memory; `_recover` then resumes from the stored positions."""
        self._log.warning("going back to the stored positions", reason=reason, detail=detail)
        metrics.RESETS.labels(reason).inc()
        self._flow.reset()
        self._pending.clear()
        for buffer in self._buffers.values():
            buffer.clear()
        self._partitions.reset()
        if assigned := self._partitions.assigned:
            self._consumer.pause(partitions_of(assigned))

    def _recover_when_due(self) -> None:
        if not self._flow.is_recovery_due or not self._writer.idle:
            return None
        try:
            points = self._resume_points(self._partitions.assigned)
        except Transient as error:
            self._log.warning("cannot recover yet", error=str(error))
            return self._flow.wait()
        if not all(self._seek(*place) or self._assign_again(*place) for place in points.positions.items()):
            return self._flow.wait()
        # The writer drops batches of earlier generations; none can be in progress, since it is idle.
        self._writer.begin(self._flow.generation)
        self._flow.resume()
        self._partitions.read(points.positions)
        self._count_stopped()
        self._consumer.resume(partitions_of(points.positions))
        self._log.info("recovered", partitions=len(points.positions), stopped=len(points.stopped))
        return None

    def _resume_points(self, keys: Iterable[TopicAndPartition]) -> ResumePoints:
        with postgres_needed():
            points = resume_points(self._settings, self._connected(), self._admin, keys, carefully=self._is_careful)
        for key in self._partitions.learn(points):
            remedy = f"Run `headrace landing accept-gap {key[0]}` to record the gap and resume."
            self._log.error(
                "partition stopped", topic=key[0], partition=key[1], reason=points.stopped[key], remedy=remedy
            )
        self._count_stopped()
        return points

    def _count_stopped(self) -> None:
        stopped = self._partitions.stopped
        for topic in self._buffers:
            metrics.STOPPED.labels(topic).set(sum(name == topic for name, _ in stopped))

    def _connected(self) -> psycopg.Connection:
        if self._db is None or self._db.closed or self._db.broken:
            self._db = positions.connect(self._settings.conninfo(role="headrace_lander"))
        return self._db

    # --- rebalances, inside `consume` -----------------------------------------------------------------------------

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        keys = {(partition.topic, partition.partition) for partition in partitions}
        self._log.info("assigned", partitions=len(keys))
        self._partitions.assign(keys)
        try:
            points = self._resume_points(keys)
            ends = offset_bounds(self._admin, keys) if self._is_careful else {}
        except Transient as error:
            # From the beginning, records may come twice; what is not expected is dropped.
            consumer.incremental_assign([TopicPartition(*key, OFFSET_BEGINNING) for key in keys])
            return self._reset("no positions on assignment", str(error))
        if self._is_careful and self._flow.state is not FlowState.RECOVERING:
            clients.assign_idle(consumer, {key: ends.get(key, (0, 0))[1] for key in keys})
            return self._partitions.set_careful(points.positions)
        consumer.incremental_assign([TopicPartition(*key, points.positions.get(key, OFFSET_BEGINNING)) for key in keys])
        consumer.pause(partitions_of(keys - points.positions.keys()))
        if self._flow.state is not FlowState.RECOVERING:
            self._partitions.join(points.positions)
        if self._flow.state is not FlowState.RUNNING:
            consumer.pause(partitions_of(keys))
        return None

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Flush first, so that the next owner resumes from there instead of reading the records again.
        self._flush_everything(DRAIN_SECONDS)
        self._forget(partitions)
        consumer.incremental_unassign(partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions)
        self._reset("partitions lost")
        consumer.incremental_unassign(partitions)

    def _forget(self, partitions: list[TopicPartition]) -> None:
        self._log.info("revoked", partitions=len(partitions))
        self._partitions.revoke((partition.topic, partition.partition) for partition in partitions)

    # --- heartbeat ------------------------------------------------------------------------------------------------

    def _heartbeat_when_due(self) -> None:
        """Every few seconds: record the lag, and check for recreated topics and accepted gaps."""
        if self._flow.state is FlowState.RECOVERING or self._clock() < self._heartbeat_at:
            return
        self._heartbeat_at = self._clock() + HEARTBEAT_SECONDS
        try:
            with postgres_needed():
                self._observe_lag()
                self._held_back.look(self._clock(), self._partitions.reading)
                if self._partitions.stopped - positions.stopped(self._connected()):
                    self._reset("gap accepted")
                elif changed := self._changed_topics():
                    self._reset("topic changed", ", ".join(changed))
        except Transient as error:
            self._log.warning("heartbeat failed", error=str(error))

    def _observe_lag(self) -> None:
        highs: dict[tuple[UUID, int], int] = {}
        for consumed in self._consumer.position(partitions_of(self._partitions.reading)):
            _, high = self._consumer.get_watermark_offsets(consumed, cached=True)
            if high < 0:
                continue
            key = consumed.topic, consumed.partition
            position = self._partitions.reading[key]
            if high <= consumed.offset:
                high = position  # only transaction markers follow, which do not count as lag
            highs[self._partitions.topic_ids[consumed.topic], consumed.partition] = high
            metrics.LAG.labels(*key).set(max(0, high - position))
        positions.observe(self._connected(), highs)

    def _changed_topics(self) -> list[str]:
        reading = {topic for topic, _ in self._partitions.reading}
        present = topic_ids(self._admin, reading)
        return sorted(topic for topic in reading if present.get(topic) != self._partitions.topic_ids[topic])
