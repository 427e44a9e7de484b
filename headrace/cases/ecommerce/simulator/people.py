"""The visitors of the shop and their habits. They are the same in every run; the seed determines what they do."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from faker import Faker

from headrace.cases.ecommerce.simulator.catalogue import BY_CATEGORY, CATEGORIES, PRODUCTS, Product

COUNTRIES = {"United Kingdom": 62, "Germany": 14, "Spain": 9, "France": 9, "Ireland": 6}
FIRST_CUSTOMER = 100_000
OPENED = datetime(2022, 6, 1, tzinfo=UTC)
"""When the shop opened; accounts are older than any run by default."""
YOUNGEST_ACCOUNT_DAYS = 700
ENTHUSIASM = 2.2
"""The inequality of visits: the first tenth of the customers makes a third of them."""

BOT_AGENTS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "curl/8.5.0",
    "python-requests/2.32.3",
)
_WEBKIT, _BLINK = "AppleWebKit/605.1.15 (KHTML, like Gecko)", "AppleWebKit/537.36 (KHTML, like Gecko)"
_AGENTS = (
    f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_BLINK} Chrome/{{v}}.0.0.0 Safari/537.36",
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_WEBKIT} Version/17.{{m}} Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:{v}.0) Gecko/20100101 Firefox/{v}.0",
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_{{m}} like Mac OS X) {_WEBKIT} Version/17.{{m}} Mobile/15E148 Safari/604.1",
    f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {_BLINK} Chrome/{{v}}.0.0.0 Mobile Safari/537.36",
    f"Mozilla/5.0 (iPad; CPU OS 17_{{m}} like Mac OS X) {_WEBKIT} Version/17.{{m}} Mobile/15E148 Safari/604.1",
)
_AGENT_WEIGHTS = (30, 10, 6, 28, 22, 4)


@dataclass(frozen=True)
class Person:
    """A visitor and their habits. `customer_id` is None for one without an account."""

    customer_id: str | None
    country: str
    registered_at: datetime | None
    purchase_rate: float
    """Probability that a visit with something in the cart ends in a purchase."""
    basket_size: float
    favorites: tuple[str, ...]
    handle: str
    client: str
    agent: str

    def choose(self, rng: random.Random) -> Product:
        """A product, mostly of a favorite category, and there more likely one of the first."""
        if rng.random() < 0.75:
            products = BY_CATEGORY[rng.choice(self.favorites)]
            return products[int(len(products) * rng.random() ** 1.7)]
        return rng.choice(PRODUCTS)


@lru_cache(maxsize=50_000)
def customer(index: int) -> Person:
    """The customer of this index; low ones come more often, see `pick`."""
    rng = random.Random(f"customer {index}")  # noqa: S311  a simulation
    registered = OPENED + timedelta(seconds=rng.randrange(YOUNGEST_ACCOUNT_DAYS * 86_400))
    return _person(rng, str(FIRST_CUSTOMER + index), registered)


def newcomer(rng: random.Random, customer_id: str, registered_at: datetime) -> Person:
    """A visitor who opens an account now."""
    return _person(rng, customer_id, registered_at)


def stranger(rng: random.Random) -> Person:
    """A visitor without an account."""
    return _person(rng, None, None)


def pick(rng: random.Random, population: int) -> Person:
    """One of the customers, in proportion to the frequency of their visits."""
    return customer(int(population * rng.random() ** ENTHUSIASM))


@lru_cache(maxsize=1)
def _faker() -> Faker:
    return Faker("en_GB")


def _person(rng: random.Random, customer_id: str | None, registered_at: datetime | None) -> Person:
    fake = _faker()
    fake.seed_instance(rng.getrandbits(64))
    agent = rng.choices(_AGENTS, _AGENT_WEIGHTS)[0].format(v=rng.randint(118, 131), m=rng.randint(1, 6))
    return Person(
        customer_id=customer_id,
        country=rng.choices(tuple(COUNTRIES), tuple(COUNTRIES.values()))[0],
        registered_at=registered_at,
        purchase_rate=rng.betavariate(2.5, 3) if customer_id else rng.betavariate(1.2, 6),
        basket_size=1 + rng.expovariate(0.6),
        favorites=tuple(rng.sample(CATEGORIES, 2)),
        handle=fake.user_name(),
        client=fake.ipv4_public(),
        agent=agent,
    )
