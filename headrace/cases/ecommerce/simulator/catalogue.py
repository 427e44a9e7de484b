"""The products of the shop. They are the same in every run and do not depend on the seed."""

import random
from dataclasses import dataclass
from decimal import Decimal

CURRENCY = "GBP"

_CATEGORIES = {
    "kitchen": ("TEAPOT", "CAKE TIN", "MUG", "BREAD BIN", "TRAY", "JUG", "SPICE RACK", "BAKING SET"),
    "garden": ("WATERING CAN", "PLANT POT", "BIRD FEEDER", "LANTERN", "HERB MARKER", "WIND CHIME"),
    "lighting": ("TABLE LAMP", "FAIRY LIGHTS", "CANDLE HOLDER", "NIGHT LIGHT", "LANTERN STRING"),
    "textiles": ("CUSHION", "APRON", "TEA TOWEL", "BLANKET", "DOOR MAT", "SHOPPER BAG"),
    "toys": ("WOODEN TRAIN", "JIGSAW", "PAPER DOLLS", "SPINNING TOP", "PUPPET", "BUILDING BLOCKS"),
    "stationery": ("NOTEBOOK", "GIFT TAG SET", "WRAPPING PAPER", "PENCIL CASE", "CARD HOLDER"),
}
_STYLES = ("RED RETROSPOT", "VINTAGE", "IVORY", "BLUE POLKADOT", "RUSTIC", "PANTRY", "WOODLAND")
CATEGORIES = tuple(_CATEGORIES)


@dataclass(frozen=True)
class Product:
    """`quality`, from 0 to 1, determines the ratings of its buyers."""

    sku: str
    name: str
    category: str
    price: Decimal
    quality: float


def _products() -> tuple[Product, ...]:
    rng = random.Random("catalogue")  # noqa: S311  a simulation
    products: list[Product] = []
    for category, things in _CATEGORIES.items():
        for thing in things:
            for style in rng.sample(_STYLES, 3):
                sku = f"{22_000 + len(products)}"
                price = Decimal(round(rng.lognormvariate(1.6, 0.7) * 100)) / 100 + Decimal("0.25")
                products.append(Product(sku, f"{style} {thing}", category, price, rng.betavariate(4, 2)))
    return tuple(products)


PRODUCTS = _products()
BY_CATEGORY = {
    category: tuple(product for product in PRODUCTS if product.category == category) for category in CATEGORIES
}
