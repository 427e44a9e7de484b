"""Visits to the shop: the pages viewed, the changes of the cart, and the purchase, if any."""

import random
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from headrace.cases.ecommerce.simulator.catalogue import CATEGORIES, CURRENCY, PRODUCTS, Product
from headrace.cases.ecommerce.simulator.hits import SHOP, Hit, page, pixel
from headrace.cases.ecommerce.simulator.people import BOT_AGENTS, Person
from headrace.cases.ecommerce.sources.access_log.pixel import PixelEvent

REFERRERS = ("-", "https://www.google.com/", "https://duckduckgo.com/", "https://news.shop.example/weekly")
REFERRER_WEIGHTS = (45, 35, 8, 12)
HANDSHAKE = r"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
"""The bytes in the log when a TLS client connects to the plain port."""


@dataclass
class Visit:
    """One visit while it happens. `cart` holds quantities by product."""

    rng: random.Random
    session_id: str
    person: Person
    now_s: float = 0.0
    hits: list[Hit] = field(default_factory=list[Hit])
    cart: Counter[Product] = field(default_factory=Counter[Product])
    path: str = ""

    def open(self, path: str) -> None:
        """View a page, which then reports itself by the pixel."""
        self.now_s += self.rng.lognormvariate(2.8, 0.7) if self.hits else 0.0
        referrer = f"{SHOP}{self.path}" if self.path else self.rng.choices(REFERRERS, REFERRER_WEIGHTS)[0]
        size = self.rng.randrange(8_000, 60_000)
        self.hits.append(page(self.now_s, self.person.client, self.person.agent, path, referrer, size))
        self.path = path
        self.report("page_view", 0.4)

    def report(self, event: PixelEvent, wait_s: float, **parameters: str) -> None:
        """Send the pixel."""
        self.now_s += wait_s
        self.hits.append(
            pixel(
                self.now_s,
                self.person.client,
                self.person.agent,
                self.path,
                event,
                sid=self.session_id,
                uid=self.person.customer_id,
                **parameters,
            )
        )

    def add(self, product: Product, quantity: int) -> None:
        self.cart[product] += quantity
        self.report(
            "add_to_cart",
            self.rng.uniform(2, 20),
            sku=product.sku,
            qty=str(quantity),
            price=str(product.price),
            cur=CURRENCY,
        )

    def remove(self, product: Product) -> None:
        self.report("remove_from_cart", self.rng.uniform(2, 20), sku=product.sku, qty=str(self.cart.pop(product)))

    def buy(self, order_id: str) -> None:
        self.open("/checkout")
        total = sum((product.price * quantity for product, quantity in self.cart.items()), Decimal(0))
        self.report(
            "purchase",
            self.rng.uniform(15, 120),
            order=order_id,
            total=str(total),
            cur=CURRENCY,
            country=self.person.country,
        )


def browse(rng: random.Random, person: Person, session_id: str) -> Visit:
    """A visit up to the decision whether to buy the cart."""
    visit = Visit(rng, session_id, person)
    visit.open(rng.choice(("/", "/", f"/category/{rng.choice(person.favorites)}", "/sale")))
    while rng.random() < 0.72 and len(visit.hits) < 60:
        if rng.random() < 0.3:
            visit.open(f"/category/{rng.choice(CATEGORIES)}")
            continue
        product = person.choose(rng)
        visit.open(f"/product/{product.sku}")
        wants_more = len(visit.cart) < person.basket_size
        if wants_more and rng.random() < 0.25 + 0.35 * person.purchase_rate:
            visit.add(product, 1 + int(rng.expovariate(0.9)))
    if visit.cart and rng.random() < 0.12:
        visit.remove(rng.choice(list(visit.cart)))
    return visit


def crawl(rng: random.Random, client: str) -> list[Hit]:
    """A robot's visit: fast, without the pixel, sometimes for pages that do not exist."""
    if rng.random() < 0.08:
        return [Hit(0.0, client, HANDSHAKE, 400, 226, "-", "-")]
    agent = rng.choice(BOT_AGENTS)
    hits = [page(0.0, client, agent, "/robots.txt", "-", 68)]
    for number in range(rng.randint(1, 8)):
        path, status = f"/product/{rng.choice(PRODUCTS).sku}", 200
        if rng.random() < 0.15:
            path, status = rng.choice(("/wp-login.php", "/.env", "/old/index.html")), 404
        size = rng.randrange(200, 60_000)
        hits.append(Hit(1.0 + number * 1.7, client, f"GET {path} HTTP/1.1", status, size, "-", agent))
    return hits
