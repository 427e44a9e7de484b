"""Step 1 of the lander: moves records from the client to the buffers, and handles records that the client cannot read.

A batch at which the client fails is read carefully or set apart (`passing`) once everything before it has landed. A
single record for which the client's objects fail is found by bisection and set apart.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable
from itertools import groupby

import psycopg
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from structlog.typing import FilteringBoundLogger

from headrace.contracts.errors import Transient
from headrace.contracts.postgres import postgres_needed
from headrace.contracts.topic import TopicAndPartition
from headrace.streaming.landing import positions
from headrace.streaming.landing.batch import Batch, Buffer
from headrace.streaming.landing.passing import Passing, one_record
from headrace.streaming.landing.states import Flow, FlowState, Partitions
from headrace.streaming.landing.writer import Writer
from headrace.streaming.runtime import clients, metrics
from headrace.streaming.runtime.careful.reader import UNREADABLE, Unreadable
from headrace.streaming.runtime.careful.stalls import Stalls

SUBMIT_SECONDS = 1.0
"""How long the main thread waits for the writer before it pauses its partitions and continues polling."""
DRAIN_SECONDS = 15.0


class Intake(ABC):
    """Step 1 of a lander."""

    _log: FilteringBoundLogger
    _fatal: clients.FatalErrors
    _consumer: Consumer
    _writer: Writer
    _passing: Passing
    _stalls: Stalls
    _buffers: dict[str, Buffer]
    _pending: deque[Batch]
    _partitions: Partitions
    _flow: Flow

    @abstractmethod
    def _reset(self, reason: str, detail: str = "") -> None: ...

    @abstractmethod
    def _connected(self) -> psycopg.Connection: ...

    @abstractmethod
    def _flush_due(self) -> None: ...

    @abstractmethod
    def _flush_everything(self, timeout: float) -> None: ...

    @abstractmethod
    def _submit_pending(self, timeout: float) -> None: ...

    @abstractmethod
    def _take_outcomes(self) -> None: ...

    def _take(self, messages: list[Message]) -> None:
        unreadable: set[TopicAndPartition] = set()
        if any(map(Message.error, messages)):
            unreadable = self._take_errors(messages)
            messages = [message for message in messages if message.error() is None]
        for topic, group in groupby(messages, Message.topic):
            self._gather(str(topic), list(group))
        if unreadable:
            self._pass_unreadable(unreadable)

    def _gather(self, topic: str, taken: list[Message]) -> None:
        try:
            value_bytes = self._buffers[topic].append(taken, self._partitions.reading)
        except Transient as error:
            return self._reset("headers not read", str(error))
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001  any error for one record must not stop the others
            if len(taken) == 1:
                return self._set_apart(one_record(taken[0], error))
            middle = len(taken) // 2
            self._gather(topic, taken[:middle])
            return self._gather(topic, taken[middle:])
        metrics.RECORDS_IN.labels(topic).inc(len(taken))
        metrics.BYTES_IN.labels(topic).inc(value_bytes)
        if newer := self._buffers[topic].of_later_leaders(self._partitions.epochs):
            # They may replace records that have landed, which this leader lacks.
            return self._reset("leader changed", f"{topic} {newer}")
        return None

    def _take_errors(self, messages: list[Message]) -> set[TopicAndPartition]:
        """Handle errors; returns the partitions whose next batch cannot be read."""
        unreadable: set[TopicAndPartition] = set()
        for message in messages:
            error = message.error()
            if error is None:
                continue
            if error.code() == clients.END_OF_PARTITION:
                self._stalls.at_end(clients.place_of(message), int(message.offset() or 0))
                continue
            self._fatal.noticed(error)
            self._fatal.check()
            self._log.warning("consumer error", code=error.name(), topic=message.topic(), partition=message.partition())
            if error.code() in clients.OUT_OF_RANGE:
                self._reset("offset out of range", error.str())
            elif error.code() in UNREADABLE:
                unreadable.add(clients.place_of(message))
        return unreadable

    # --- what the client cannot read ------------------------------------------------------------------------------

    def _pass_unreadable(self, keys: set[TopicAndPartition]) -> None:
        """Read the next batch carefully. If this fails now, it is retried: the client fails at the same batch again."""
        reading = self._partitions.reading
        for key in keys & reading.keys():
            if key not in reading:
                return None  # a previous one has reset to the stored positions
            try:
                stretch = self._passing.next_batch(key, reading[key])
            except Transient as error:
                return self._log.warning("cannot read carefully yet", error=str(error))
            if stretch is None:
                continue
            if stretch.unreadable is not None:
                self._set_apart(stretch.unreadable)
            else:
                self._gather(key[0], stretch.messages)
            if key in reading and not self._seek(key, max(stretch.next, reading[key])):
                return self._reset("not seekable", f"{key[0]}-{key[1]}")
        return None

    def _set_apart(self, unreadable: Unreadable) -> None:
        """Record an unreadable range, once everything before it has landed."""
        key = (unreadable.topic, unreadable.partition)
        self._flush_everything(DRAIN_SECONDS)
        reading = self._partitions.reading
        if key not in reading or not self._writer.idle:
            return self._reset("cannot set apart yet", f"{key[0]}-{key[1]}")
        try:
            topic_id = self._partitions.topic_ids[key[0]]
            with postgres_needed():
                self._passing.record(self._connected(), topic_id, reading[key], unreadable)
        except (Transient, positions.Overtaken, positions.TopicChanged) as error:
            return self._reset("cannot set apart yet", str(error))
        reading[key] = unreadable.next
        return None

    def _take_carefully(self, key: TopicAndPartition, position: int) -> None:
        """After the process ended for lack of memory: read the same range carefully, then resume with the client."""
        self._partitions.read({key: position})
        reached, generation = position, self._flow.generation
        try:
            for stretch in self._passing.stretches(key, position):
                if stretch.unreadable is not None:
                    self._set_apart(stretch.unreadable)
                elif stretch.messages:
                    self._gather(key[0], stretch.messages)
                self._flush_due()
                self._submit_pending(SUBMIT_SECONDS)
                if self._pending:
                    self._flush_everything(DRAIN_SECONDS)  # the writer is behind, and memory is limited
                self._take_outcomes()
                reached = stretch.next
                if generation != self._flow.generation:
                    return None
                if self._pending:
                    return self._reset("writer is behind", f"{key[0]}-{key[1]}")
        except Transient as error:
            return self._reset("cannot read carefully yet", str(error))
        if not (self._seek(key, reached) or self._assign_again(key, reached)):
            return self._reset("not seekable", f"{key[0]}-{key[1]}")
        if self._flow.state is FlowState.RUNNING:
            self._consumer.resume(partitions_of([key]))
        return None

    def _settle(self, messages: list[Message]) -> None:
        """Start to expect the partitions that were assigned during the last `consume` call.

        That call may have returned records fetched before the assignment, so its records were dropped; if there were
        any, seek to the position.
        """
        joining = self._partitions.joining
        if not joining:
            return None
        came = {(message.topic(), message.partition()) for message in messages if message.error() is None}
        for key in joining.keys() & came:
            if not self._seek(key, joining[key]):
                return self._reset("not seekable yet", f"{key[0]}-{key[1]}")
        return self._partitions.read(joining)

    def _seek(self, key: TopicAndPartition, position: int) -> bool:
        try:
            self._consumer.seek(TopicPartition(*key, position))
        except KafkaException as error:
            self._log.debug("seek refused", topic=key[0], partition=key[1], error=str(error))
            return False
        return True

    def _assign_again(self, key: TopicAndPartition, position: int) -> bool:
        """Assign the partition again, paused, if seeking fails permanently: after an offset that the broker did not
        have."""
        place = TopicPartition(*key, position)
        try:
            self._consumer.incremental_unassign([place])
            self._consumer.incremental_assign([place])
            self._consumer.pause([place])
        except KafkaException as error:
            self._log.info("assignment refused", topic=key[0], partition=key[1], error=str(error))
            return False
        return True


def partitions_of(keys: Iterable[TopicAndPartition]) -> list[TopicPartition]:
    """The keys as the client's type."""
    return [TopicPartition(topic, partition) for topic, partition in keys]
