"""A run of the simulation: its plan, its events and their delivery. A case that is left out gets no events.

Log lines pass through the access-log source's own parser, so simulated events equal parsed ones.
"""

import math
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path
from threading import Event as Flag

import msgspec

from headrace.cases.ecommerce.simulator import orderbook
from headrace.cases.ecommerce.simulator.hits import Hit
from headrace.cases.ecommerce.simulator.timeline import Happening
from headrace.cases.ecommerce.simulator.world import DAY_S, HITS_PER_VISIT, SOURCE, Scene, World
from headrace.cases.ecommerce.sources.access_log.lines import LineParser
from headrace.cases.ecommerce.sources.order_book import online_retail
from headrace.cases.ecommerce.topics.customers import Customer
from headrace.contracts import clock, topics
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.streaming.runtime.publishing import Publisher
from headrace.streaming.sources.dates import DateOrder
from headrace.streaming.sources.delivery import Progress, deliver
from headrace.streaming.sources.outcomes import Accepted, Counts, Outcome
from headrace.streaming.sources.pseudonyms import pseudonymizer

DEFAULT_START = datetime(2026, 1, 1, tzinfo=UTC)
"""Default start of a run with a seed, or of a batch: a constant, so that the seed determines the whole run."""
DEFAULT_RATE = 20.0
VISITS_PER_DAY = 100.0
"""Visitors of a batch; a live run has as many as its rate needs."""
WARM_UP_S, WARM_UP_EVENTS = 600.0, 20_000
"""A live run begins while visits are already under way: this much is skipped, whichever ends first."""
TOPICS = ("web_logs", "orders", "customers", "social_media", "customer_feedback", "weather_data")
# These are not real people, and a run must not depend on the key of its stack.
_KEY = sha256(b"headrace simulator").digest()


@dataclass(frozen=True)
class Plan:
    """What to simulate.

    With `days`: a batch of that much history from `start`, at once (or `rate` per second). With `orders`: that order
    book as an access log. Otherwise live: `rate` events per second, the n-th at `start + n / rate`, for `seconds` or
    without end. `events` ends any of them early. `seed` determines everything but the clock; without a seed, a live run
    starts now.
    """

    rate: float | None = None
    seconds: float | None = None
    days: float | None = None
    events: int | None = None
    seed: int | None = None
    start: datetime | None = None
    orders: Path | None = None
    date_format: DateOrder | None = None

    @property
    def endless(self) -> bool:
        return self.seconds is None and self.days is None and self.events is None and self.orders is None


def simulate(settings: Settings, plan: Plan, *, stop: Flag | None = None, progress: Progress | None = None) -> Counts:
    """Publish what `plan` asks for; the counts have the events of each topic in `by_topic`.

    Raises:
        Terminal: options that contradict each other, an order book that cannot be read, or missing topics.
        Transient: the broker is unavailable.
    """
    seed = secrets.randbits(32) if plan.seed is None else plan.seed
    live = plan.days is None and plan.orders is None
    if live and plan.seed is None and plan.start is None:
        plan = replace(plan, start=clock.now())
    if live and plan.rate is None:
        plan = replace(plan, rate=DEFAULT_RATE)
    events = outcomes(plan, seed)
    if left_out := [name for name in TOPICS if name not in topics.TOPICS]:
        events = (each for each in events if not isinstance(each, Accepted) or each.topic not in left_out)
    publisher = Publisher(settings)
    publisher.check([name for name in TOPICS if name not in left_out])
    return deliver(
        events, publisher, source=SOURCE, origin=f"seed-{seed}", rate=plan.rate, stop=stop, progress=progress
    )


def outcomes(plan: Plan, seed: int) -> Iterator[Outcome]:
    """The events of a run, a function of its arguments alone.

    Raises:
        Terminal: options that contradict each other, or an order book that cannot be read.
    """
    if plan.orders is not None:
        if plan.days is not None or plan.seconds is not None or plan.start is not None:
            raise Terminal("An order book has its own times.", remedy="Limit it with --events and --rate.")
        return islice(_order_book(plan.orders, plan.date_format, seed), plan.events)
    if plan.days is not None:
        if plan.seconds is not None:
            raise Terminal("--days is a batch, --seconds a live run.", remedy="Use one of them.")
        return islice(_batch(plan.start or DEFAULT_START, seed, plan.days), plan.events)
    rate = plan.rate or DEFAULT_RATE
    limits = [plan.events, None if plan.seconds is None else round(plan.seconds * rate)]
    most = min((limit for limit in limits if limit is not None), default=None)
    return islice(_live(plan.start or DEFAULT_START, seed, rate), most)


def _batch(start: datetime, seed: int, days: float) -> Iterator[Outcome]:
    run = _name("batch", start, seed)
    world = World(Scene(run, seed, start, VISITS_PER_DAY, pseudonymizer(_KEY)))
    emitter = _Emitter(run)
    for at_s, what in world.happenings(days):
        yield emitter.emit(what, _moment(start, at_s))


def _live(start: datetime, seed: int, rate: float) -> Iterator[Outcome]:
    """A world as busy as the rate, its events spaced evenly."""
    run = _name(f"live {rate!r}", start, seed)
    visits_per_day = max(1.0, rate * DAY_S / HITS_PER_VISIT)
    world = World(Scene(run, seed, start, visits_per_day, pseudonymizer(_KEY)))
    emitter = _Emitter(run)
    happenings = world.happenings()
    warm_up = islice(happenings, WARM_UP_EVENTS)
    world.settle(next((at_s for at_s, _ in warm_up if at_s >= WARM_UP_S), 0.0))
    for number, (_, what) in enumerate(happenings):
        yield emitter.emit(what, _moment(start, number / rate))


def _order_book(path: Path, date_format: DateOrder | None, seed: int) -> Iterator[Outcome]:
    """Skips rows that are no invoice lines; `headrace ingest online-retail` rejects them."""
    understood: list[online_retail.InvoiceLine] = []
    for row in online_retail.read_lines(path, date_format):
        try:
            line = online_retail.understand(row)
        except online_retail.InvalidRow:
            continue
        if line is not None and line.line.quantity > 0 and not line.line.unit_price.startswith("-"):
            understood.append(line)
    orders = orderbook.orders_of(understood)
    if not orders:
        raise Terminal(f"{path} has no order with a customer.", remedy="Give an order book with CustomerID filled in.")
    start = orderbook.start_of(orders)
    run = _name("orders", start, seed)
    emitter = _Emitter(run)
    for at_s, what in orderbook.happenings(orders, seed, start, run):
        yield emitter.emit(what, _moment(start, at_s))


def _name(kind: str, start: datetime, seed: int) -> str:
    """The name of a run: equal for equal runs, different for all others."""
    return sha256(f"{kind} {start.isoformat()} {seed}".encode()).hexdigest()[:8]


def _moment(start: datetime, at_s: float) -> datetime:
    return start + timedelta(milliseconds=math.floor(at_s * 1000))


class _Emitter:
    """Turns simulated events into outcomes; the hits form one log file, whose fingerprint is the run's name."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._parser = LineParser(pseudonymizer(_KEY), SOURCE)
        self._offset = 0
        self._number = 0

    def emit(self, what: Happening, time: datetime) -> Outcome:
        self._number += 1
        if isinstance(what, Hit):
            line = what.line(time)
            place = f"{SOURCE}-{self._run}-{self._offset}"
            self._offset += len(line) + 1
            return self._parser.line(line, place, self._number)
        event = msgspec.structs.replace(what.event, event_time=time)
        if isinstance(event, Customer) and event.registered_at is not None:
            event = msgspec.structs.replace(event, registered_at=min(event.registered_at, time))
        return Accepted(what.topic, what.key.encode(), event, b"", self._number)
