"""The simulated shop and its surroundings: who visits when, and the resulting events."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from headrace.cases.data_science.topics.customer_feedback import CustomerFeedback
from headrace.cases.data_science.topics.social_media import SocialPost
from headrace.cases.ecommerce.simulator import opinions
from headrace.cases.ecommerce.simulator.catalogue import CURRENCY, PRODUCTS, Product
from headrace.cases.ecommerce.simulator.climate import HOUR_S, STATIONS, Climate
from headrace.cases.ecommerce.simulator.people import Person, customer, newcomer, pick, stranger
from headrace.cases.ecommerce.simulator.timeline import Emitted, Happening, Timeline
from headrace.cases.ecommerce.simulator.visits import browse, crawl
from headrace.cases.ecommerce.topics.customers import Customer
from headrace.cases.ecommerce.topics.orders import Order, OrderLine
from headrace.streaming.sources.pseudonyms import Pseudonymize

SOURCE = "simulator"
DAY_S = 86_400
HITS_PER_VISIT = 10.8
"""Mean number of events per visit, including everything around it; measured, to plan a rate."""

CUSTOMERS_PER_DAILY_VISIT = 4
FEWEST_CUSTOMERS, MOST_CUSTOMERS = 300, 20_000
ACCOUNT_SHARE = 0.55
"""Share of the visits by people with an account."""
REGISTERING_SHARE = 0.3
"""Share of buyers without an account who open one."""
PER_VISIT = {"robot": 0.15, "store": 0.08, "post": 0.5, "form": 0.06}
"""How many of each there are per visit."""
QUIETEST, PEAK_HOUR = 0.15, 19
FEEDBACK_SHARE, RETURN_SHARE, DELETED_SHARE, REPLY_SHARE = 0.35, 0.06, 0.03, 0.2
PLATFORMS = ("bluesky", "mastodon")


@dataclass(frozen=True)
class Scene:
    """The parameters of a run. `run` is its name, which is part of all its ids."""

    run: str
    seed: int
    start: datetime
    visits_per_day: float
    pseudonymize: Pseudonymize


class World:
    """Plans everything on a timeline. All randomness comes from the scene's seed."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._rng = random.Random(f"world {scene.seed}")  # noqa: S311  a simulation
        self._timeline = Timeline()
        self._climate = Climate(self._rng)
        self._seen: set[str] = set()
        self._newcomers: list[Person] = []
        self._numbers: dict[str, int] = {}
        daily = int(scene.visits_per_day * CUSTOMERS_PER_DAILY_VISIT)
        self._population = min(MOST_CUSTOMERS, max(FEWEST_CUSTOMERS, daily))
        self._timeline.add(0.0, self._weather)
        for activity, share in (
            (self._visit, 1.0),
            (self._robot, PER_VISIT["robot"]),
            (self._store, PER_VISIT["store"]),
            (self._post, PER_VISIT["post"]),
            (self._form, PER_VISIT["form"]),
        ):
            self._repeat(activity, scene.visits_per_day * share)

    def happenings(self, days: float = math.inf) -> Iterator[tuple[float, Happening]]:
        """Everything, in order of time, with its time in seconds after the start."""
        return self._timeline.until(days * DAY_S)

    def settle(self, at_s: float) -> None:
        """Emit what lies before `at_s`: the weather, and returning customers."""
        self._seen.clear()
        self._observe(at_s)

    def _repeat(self, activity: Callable[[float], None], per_day: float) -> None:
        """Random times, more of them in the evening: a Poisson process, thinned by the hour."""
        peak_gap_s = DAY_S / (per_day * 2 / (1 + QUIETEST))

        def again(at_s: float) -> None:
            if self._rng.random() < self._bustle(at_s):
                activity(at_s)
            self._timeline.add(at_s + self._rng.expovariate(1 / peak_gap_s), again)

        self._timeline.add(self._rng.expovariate(1 / peak_gap_s), again)

    def _bustle(self, at_s: float) -> float:
        time = self._scene.start + timedelta(seconds=at_s)
        hour = time.hour + time.minute / 60
        wave = (1 + math.cos(2 * math.pi * (hour - PEAK_HOUR) / 24)) / 2
        return QUIETEST + (1 - QUIETEST) * wave

    def _next(self, kind: str) -> str:
        """An id that no other run uses."""
        self._numbers[kind] = self._numbers.get(kind, 0) + 1
        return f"{kind}-{self._scene.run}-{self._numbers[kind]:06}"

    def _somebody(self) -> Person:
        if self._newcomers and self._rng.random() < len(self._newcomers) / (len(self._newcomers) + self._population):
            return self._rng.choice(self._newcomers)
        return pick(self._rng, self._population)

    def _meet(self, at_s: float, person: Person) -> None:
        """Emit the customer's row before any other event of the customer."""
        if person.customer_id is None or person.registered_at is None or person.customer_id in self._seen:
            return
        self._seen.add(person.customer_id)
        time = self._scene.start + timedelta(seconds=at_s)
        event = Customer(
            event_id=self._next("customer"),
            event_time=time,
            source=SOURCE,
            customer_id=person.customer_id,
            country=person.country,
            registered_at=min(person.registered_at, time),
        )
        self._timeline.add(at_s, Emitted("customers", person.customer_id, event))

    def _visit(self, at_s: float) -> None:
        rng = self._rng
        person = self._somebody() if rng.random() < ACCOUNT_SHARE else stranger(rng)
        self._meet(at_s, person)
        visit = browse(rng, person, self._next("s"))
        mood = self._climate.mood(person.country)
        if visit.cart and rng.random() < person.purchase_rate:
            visit.buy(self._next("W"))
            self._follow_up(at_s + visit.now_s, person, rng.choice(list(visit.cart)), mood)
            if person.customer_id is None and rng.random() < REGISTERING_SHARE:
                self._register(at_s + visit.now_s)
        for hit in visit.hits:
            self._timeline.add(at_s + hit.after_s, hit)

    def _register(self, at_s: float) -> None:
        time = self._scene.start + timedelta(seconds=at_s)
        person = newcomer(self._rng, self._next("n"), time)
        self._newcomers.append(person)
        self._timeline.add(at_s, lambda then: self._meet(then, person))

    def _follow_up(self, at_s: float, person: Person, product: Product, mood: float) -> None:
        """Some buyers send feedback days later."""
        if self._rng.random() < FEEDBACK_SHARE:
            delay_s = self._rng.uniform(1, 10) * DAY_S
            self._timeline.add(at_s + delay_s, lambda then: self._feedback(then, person, product, mood))

    def _robot(self, at_s: float) -> None:
        client = f"66.249.{self._rng.randrange(64, 96)}.{self._rng.randrange(1, 255)}"
        for hit in crawl(self._rng, client):
            self._timeline.add(at_s + hit.after_s, hit)

    def _store(self, at_s: float) -> None:
        """A purchase at the counter, or a return of one."""
        rng = self._rng
        person = self._somebody()
        self._meet(at_s, person)
        count = 1 + int(rng.expovariate(1 / person.basket_size))
        sign = -1 if rng.random() < RETURN_SHARE else 1
        lines: list[OrderLine] = []
        total = Decimal(0)
        bought = [person.choose(rng) for _ in range(count if sign > 0 else 1)]
        for product in bought:
            quantity = sign * (1 + int(rng.expovariate(0.9)))
            total += quantity * product.price
            lines.append(
                OrderLine(sku=product.sku, description=product.name, quantity=quantity, unit_price=str(product.price))
            )
        order_id = self._next("S" if sign > 0 else "R")
        event = Order(
            event_id=f"{SOURCE}-{order_id}",
            event_time=self._scene.start,
            source=SOURCE,
            order_id=order_id,
            channel="store",
            kind="order" if sign > 0 else "return",
            customer_id=person.customer_id,
            currency=CURRENCY,
            country=person.country,
            lines=lines,
            total=str(total),
        )
        self._timeline.add(at_s, Emitted("orders", person.customer_id or order_id, event))
        if sign > 0:
            self._follow_up(at_s, person, rng.choice(bought), self._climate.mood(person.country))

    def _form(self, at_s: float) -> None:
        """Feedback on something bought long ago."""
        person = self._somebody()
        self._meet(at_s, person)
        self._feedback(at_s, person, person.choose(self._rng), self._climate.mood(person.country))

    def _feedback(self, at_s: float, person: Person, product: Product, mood: float) -> None:
        opinion = opinions.judge(self._rng, product, mood)
        feedback_id = self._next("feedback")
        event = CustomerFeedback(
            event_id=feedback_id,
            event_time=self._scene.start,
            source=SOURCE,
            feedback_id=feedback_id,
            channel="form",
            customer_id=person.customer_id,
            rating=opinion.rating,
            title=opinion.title,
            text=opinion.text,
            subject=product.category,
            product_id=product.sku,
        )
        self._timeline.add(at_s, Emitted("customer_feedback", person.customer_id or feedback_id, event))

    def _post(self, at_s: float) -> None:
        rng = self._rng
        person = customer(rng.randrange(self._population))
        text = opinions.post(rng, rng.choice(PRODUCTS), self._climate.mood(person.country))
        platform = PLATFORMS[int(person.handle.encode()[0]) % len(PLATFORMS)]
        author = self._scene.pseudonymize("author", f"{platform}:{person.handle}")
        post_id = self._next("post")
        reply = rng.random() < REPLY_SHARE
        event = SocialPost(
            event_id=post_id,
            event_time=self._scene.start,
            source=SOURCE,
            post_id=post_id,
            platform=platform,
            author=author,
            text=text,
            language="en",
            is_reply=reply,
        )
        self._timeline.add(at_s, Emitted("social_media", author, event))
        if rng.random() < DELETED_SHARE:
            gone = SocialPost(
                event_id=f"{post_id}-delete",
                event_time=self._scene.start,
                source=SOURCE,
                post_id=post_id,
                platform=platform,
                author=author,
                deleted=True,
            )
            self._timeline.add(at_s + rng.uniform(60, DAY_S), Emitted("social_media", author, gone))

    def _weather(self, at_s: float) -> None:
        self._observe(at_s)
        self._timeline.add(at_s + HOUR_S, self._weather)

    def _observe(self, at_s: float) -> None:
        time = self._scene.start + timedelta(seconds=at_s)
        for station in STATIONS:
            event_id = f"weather-{self._scene.run}-{station}-{time:%Y%m%dT%H%M%SZ}"
            event = self._climate.observe(station, time, event_id, SOURCE)
            self._timeline.add(at_s, Emitted("weather_data", station, event))
