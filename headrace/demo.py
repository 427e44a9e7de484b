"""The demo: both use cases end to end on the simulator, with counts that must agree."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import psycopg

from headrace import stack
from headrace.contracts import clock
from headrace.contracts.delivery import SERVING
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.contracts.topics import EVENT_TOPICS
from headrace.operations.reconciliation.compare import Reconciliation
from headrace.operations.reconciliation.stack import reconcile_when_settled
from headrace.orchestration.run import build
from headrace.streaming.connect.delivered import wait_until_delivered
from headrace.streaming.landing.progress import committed_ends, wait_until_landed
from headrace.streaming.processors.registry import all_processors
from headrace.streaming.runtime.processing.progress import wait_until_processed
from headrace.streaming.sources.simulation import simulator
from headrace.terminal import Progress, uninterrupted
from headrace.warehouse.ingest.connect_staging import STAGED_TABLES
from headrace.warehouse.lake import Lake
from headrace.warehouse.query import as_text, ask
from headrace.warehouse.tables import all_tables

DAYS = 30
SEED = 1
LANDING_SECONDS = 120.0
DELIVERY_SECONDS = 120.0
PROCESSING_SECONDS = 120.0
SAMPLE_ROWS = 3


@dataclass(frozen=True)
class TopicRow:
    """One topic in the closing table. Each number counts records."""

    topic: str
    sent: int
    in_topic: int
    landed: int
    in_warehouse: int

    @property
    def agrees(self) -> bool:
        return self.in_topic >= self.sent and self.landed == self.in_warehouse >= self.in_topic


@dataclass(frozen=True)
class Sample:
    """The first rows of a mart, as text."""

    table: str
    rows: int
    columns: tuple[str, ...]
    sample: list[tuple[str, ...]]


@dataclass(frozen=True)
class Outcome:
    """The final output of the demo."""

    topics: list[TopicRow]
    samples: list[Sample]
    reconciliation: Reconciliation
    built: bool

    @property
    def counts_agree(self) -> bool:
        return self.built and self.reconciliation.complete and all(row.agrees for row in self.topics)


def run(settings: Settings, *, progress: Progress, echo: Callable[[str], None]) -> Outcome:
    """Send the events of both use cases from the simulator to a running stack, land, build, and count.

    Raises:
        Terminal: the lander did not catch up.
    """
    with _reported(progress, f"simulator, {DAYS} days of both use cases"):
        start = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=DAYS)
        simulated = simulator()
        sent = simulated.simulate(settings, simulated.Plan(days=DAYS, seed=SEED, start=start))
    with _reported(progress, "processors"):
        for name, made in all_processors().items():
            if not wait_until_processed(settings, made(), timeout=PROCESSING_SECONDS):
                raise Terminal(
                    f"{name} did not catch up in {PROCESSING_SECONDS:.0f} s.",
                    remedy=f"See {settings.logs}/{name}-0.log.",
                )
    if settings.connect:
        with _reported(progress, "delivery by Connect"):
            left = wait_until_delivered(settings, timeout=DELIVERY_SECONDS)
        if left:
            raise Terminal(
                f"{left} records were not delivered in {DELIVERY_SECONDS:.0f} s.",
                remedy="See `headrace connect status`.",
            )
    with _reported(progress, "landing"):
        behind = wait_until_landed(settings, committed_ends(settings), timeout=LANDING_SECONDS)
    if behind:
        raise Terminal(
            f"{behind} records did not land in {LANDING_SECONDS:.0f} s.",
            remedy=f"See {settings.logs}/lander-0.log.",
        )
    with _reported(progress, "build"):
        summary = build(settings, echo=echo)
    with _reported(progress, "reconciliation"):
        result = reconcile_when_settled(settings, wait_seconds=60.0)
    with Lake.open(settings, read_only=True) as lake:
        names = [*STAGED_TABLES, *(table.qualified for table in all_tables() if table.schema == "marts")]
        samples = [*_served(settings), *(_sample(lake, name) for name in names)]
    topics = [_topic_row(topic.name, sent.by_topic[topic.name], result) for topic in EVENT_TOPICS]
    return Outcome(topics, samples, result, summary.success)


def _topic_row(topic: str, sent: int, result: Reconciliation) -> TopicRow:
    mine = [row for row in result.partitions if row.topic == topic]
    return TopicRow(
        topic=topic,
        sent=sent,
        in_topic=sum(row.held for row in mine),
        landed=sum(row.landed for row in mine),
        in_warehouse=sum(row.registered for row in mine),
    )


def _sample(lake: Lake, table: str) -> Sample:
    _, _, counted = ask(lake, f"select count(*) from {table}")  # noqa: S608  a name of ours
    ((rows,),) = counted
    columns, _, shown = ask(lake, f"select * from {table} order by all desc limit {SAMPLE_ROWS}")  # noqa: S608
    return Sample(table, rows, columns, [tuple(as_text(value) for value in row) for row in shown])


def _served(settings: Settings) -> list[Sample]:
    """A sample of the table that Connect maintains in PostgreSQL for applications; empty if Connect is off."""
    if not settings.connect:
        return []
    with psycopg.connect(settings.conninfo(), options="-c timezone=UTC") as db:
        ((rows,),) = db.execute(f"select count(*) from {SERVING.qualified}".encode()).fetchall()  # noqa: S608
        found = db.execute(f"select * from {SERVING.qualified} order by 1 desc limit {SAMPLE_ROWS}".encode())  # noqa: S608
        columns = tuple(column.name for column in found.description or ())
        return [Sample(SERVING.qualified, rows, columns, [tuple(as_text(value) for value in row) for row in found])]


@contextmanager
def _reported(progress: Progress, subject: str) -> Iterator[None]:
    progress(subject, "running")
    yield
    progress(subject, "ready")


@contextmanager
def demo_stack(settings: Settings, progress: Progress) -> Iterator[None]:
    """Runs the stack during the demo, and leaves it running if it was already up."""
    if not stack.up(settings, progress=progress):
        yield
        return
    try:
        yield
    finally:
        with uninterrupted():
            stack.down(settings, progress=progress)
