"""Steps 3 to 5 of the lander, in two separate threads: one decodes, the other writes files and commits.

Batches pass through in order, one at a time in each thread. The writer only reports failures; the lander then goes back
to the stored positions.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import polars as pl
import psycopg
from confluent_kafka.admin import AdminClient

from headrace.contracts.errors import Transient
from headrace.contracts.landing import LandedFile, LandingCommit, landing_path, quarantine_name
from headrace.streaming.landing import files, positions
from headrace.streaming.landing.batch import Batch, Rows, Tables, with_ranges
from headrace.streaming.landing.isolation import rows_of
from headrace.streaming.runtime import logs, metrics
from headrace.streaming.runtime.failpoints import failpoint
from headrace.streaming.runtime.topics import topic_ids


@dataclass(frozen=True)
class Landed:
    """A batch was committed."""

    commit: LandingCommit


@dataclass(frozen=True)
class Refused:
    """A batch was not committed, or its outcome is unknown."""

    reason: str
    detail: str
    generation: int


class Writer:
    """Processes batches in order; `outcomes` has their results."""

    def __init__(self, *, conninfo: str, landing_root: Path, admin: AdminClient) -> None:
        self.outcomes: queue.SimpleQueue[Landed | Refused] = queue.SimpleQueue()
        self._conninfo = conninfo
        self._root = landing_root
        self._admin = admin
        self._batches: queue.Queue[Batch | None] = queue.Queue(maxsize=1)
        self._decoded: queue.Queue[tuple[Batch, Rows] | None] = queue.Queue(maxsize=1)
        self._generation: int | None = 0
        self._db: psycopg.Connection | None = None
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), name=name, daemon=True)
            for name, work in (("landing-decoder", self._decode_all), ("landing-committer", self._commit_all))
        ]
        self._crash: BaseException | None = None
        self._log = logs.logger(part="lander")

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def submit(self, batch: Batch, timeout: float) -> bool:
        """Queue a batch; returns False if the queue stays full for `timeout` seconds."""
        self.check()
        try:
            self._batches.put(batch, timeout=timeout)
        except queue.Full:
            return False
        return True

    def begin(self, generation: int) -> None:
        """Accept only batches of this generation from now on, and drop all others."""
        self._generation = generation

    @property
    def idle(self) -> bool:
        return not self._batches.unfinished_tasks and not self._decoded.unfinished_tasks

    def drain(self, timeout: float) -> bool:
        """Wait until nothing is queued or in progress; returns False after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not self.idle:
            if time.monotonic() > deadline:
                return False
            self.check()
            time.sleep(0.005)
        return True

    def check(self) -> None:
        """Raise the error that ended one of the writer's threads, if any."""
        if self._crash is not None:
            raise self._crash

    def close(self) -> None:
        """End the threads once the queue is processed."""
        if self._crash is None:
            self._batches.put(None)
            for thread in self._threads:
                thread.join()
        if self._db is not None:
            self._db.close()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._crash = error
            raise

    def _decode_all(self) -> None:
        while (batch := self._batches.get()) is not None:
            if batch.generation == self._generation:
                # 3. Decode the whole batch at once; invalid records go to quarantine with their raw bytes.
                started = time.perf_counter()
                rows = rows_of(batch)
                metrics.DECODE_SECONDS.labels(batch.topic.name).observe(time.perf_counter() - started)
                failpoint("landing.decoded")
                self._decoded.put((batch, rows))
                del rows
            del batch
            self._batches.task_done()
        self._decoded.put(None)

    def _commit_all(self) -> None:
        while (decoded := self._decoded.get()) is not None:
            batch, rows = decoded
            if batch.generation == self._generation:
                # The fingerprints of the ranges are computed here, since decoding takes longer than writing.
                self._commit_or_report(batch, with_ranges(batch, rows))
            del batch, rows, decoded
            self._decoded.task_done()

    def _commit_or_report(self, batch: Batch, tables: Tables) -> None:
        def refused(reason: str, detail: object) -> None:
            self._generation = None  # drops everything queued after it, until the lander begins a new generation
            self.outcomes.put(Refused(reason, str(detail), batch.generation))

        try:
            self.outcomes.put(Landed(self._land(batch, tables)))
        except positions.Overtaken as error:
            refused("overtaken", error)
        except positions.StaleFile as error:
            refused("stale file", error)
        except positions.TopicChanged as error:
            refused("topic changed", error)
        except psycopg.OperationalError as error:
            self._disconnect()
            refused("database away", str(error).splitlines()[:1])
        except Transient as error:
            refused("broker away", error)
        except OSError as error:
            refused("disk", error)

    def _disconnect(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _connected(self) -> psycopg.Connection:
        if self._db is None or self._db.closed:
            self._db = positions.connect(self._conninfo)
        return self._db

    def _write(self, folder: str, created_at: datetime, unique: str, rows: pl.DataFrame | None) -> LandedFile | None:
        if rows is None:
            return None
        landed_at = pl.lit(created_at, pl.Datetime("us", "UTC")).alias("_landed_at")
        return files.write(self._root, landing_path(folder, created_at, unique), rows.with_columns(landed_at))

    def _land(self, batch: Batch, tables: Tables) -> LandingCommit:
        topic = batch.topic.name
        db = self._connected()
        started = time.perf_counter()
        created_at = positions.clock(db)
        # 4. Write one file with the rows and one with the quarantined records, durably.
        unique = uuid4().hex
        landed = self._write(topic, created_at, unique, tables.landed)
        quarantined = self._write(quarantine_name(topic), created_at, unique, tables.quarantined)
        metrics.WRITE_SECONDS.labels(topic).observe(time.perf_counter() - started)
        # 5. Commit positions and files together. The topic id is checked after the records were read, so a topic that
        # was    recreated in between is detected here.
        started = time.perf_counter()
        if topic_ids(self._admin, [topic]).get(topic) != batch.topic_id:
            raise positions.TopicChanged(topic)
        landing = LandingCommit(topic, batch.topic_id, tables.ranges, landed, quarantined)
        positions.commit(db, landing, file_created_at=created_at, event_times=tables.event_times)
        failpoint("landing.committed")
        metrics.COMMIT_SECONDS.labels(topic).observe(time.perf_counter() - started)
        metrics.ROWS_LANDED.labels(topic).inc(landed.rows if landed else 0)
        metrics.LAST_COMMIT.labels(topic).set(created_at.timestamp())
        for offender in tables.offenders:
            metrics.QUARANTINED.labels(topic, offender.category).inc()
        self._log.info(
            "landed",
            topic=topic,
            rows=landed.rows if landed else 0,
            quarantined=quarantined.rows if quarantined else 0,
            bytes=landed.bytes if landed else 0,
            partitions=len(tables.ranges),
        )
        return landing
