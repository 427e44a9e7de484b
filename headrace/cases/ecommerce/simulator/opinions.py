"""Ratings and texts of feedback, and posts. Good products and good weather make them friendlier."""

import random
from dataclasses import dataclass

from headrace.cases.ecommerce.simulator.catalogue import Product

_OPENINGS = {
    1: ("Very disappointed.", "Would not buy again.", "Terrible.", "Broke within a week."),
    2: ("Not what I hoped for.", "Looks better in the picture.", "Rather poor."),
    3: ("It is okay.", "Does what it should.", "Average, nothing special."),
    4: ("Nice one.", "Happy with it.", "Good value."),
    5: ("Absolutely love it!", "Wonderful quality.", "Perfect gift, everyone asked where it is from."),
}
_DETAILS = {
    1: ("The {thing} arrived damaged and nobody answered.", "The {thing} feels cheap and the colour is wrong."),
    2: ("The {thing} is smaller than described.", "Delivery of the {thing} took far too long."),
    3: ("The {thing} is fine for the price.", "The {thing} came on time."),
    4: ("The {thing} is well made.", "The {thing} looks lovely in our kitchen."),
    5: ("The {thing} is beautiful and well packed.", "Best {thing} we ever had, thank you!"),
}
_POSTS = {
    -1: (
        "Still waiting for my {thing}, no answer from support. Awful service.",
        "My new {thing} broke after two days :( so annoyed",
        "Rain again, delivery late again. I hate this week.",
        "Overpriced {thing}, bad packaging. Never again.",
    ),
    0: (
        "Has anybody tried the {thing} from this shop?",
        "Parcel with the {thing} is due on Thursday.",
        "Looking for a {thing}, what do you use?",
        "They restocked the {thing} today.",
    ),
    1: (
        "My new {thing} is gorgeous, so happy with it!",
        "Lovely sunny morning and the {thing} just arrived. Great service!",
        "Really good experience, the {thing} is perfect. Thank you!",
        "Best gift ever: a {thing} :)",
    ),
}


@dataclass(frozen=True)
class Opinion:
    """A rating with its words."""

    rating: int
    title: str
    text: str | None


def judge(rng: random.Random, product: Product, mood: float) -> Opinion:
    """A buyer's opinion: mostly the product's quality, to a small part the day's weather, and chance."""
    rating = round(min(5.0, max(1.0, 1 + 4 * product.quality + 0.5 * mood + rng.gauss(0, 0.8))))
    opening = rng.choice(_OPENINGS[rating])
    detail = rng.choice(_DETAILS[rating]).format(thing=product.name.lower())
    # Some people give stars and no words.
    text = f"{opening} {detail}" if rng.random() < 0.85 else None
    return Opinion(rating, opening, text)


def post(rng: random.Random, product: Product, mood: float) -> str:
    """The text of a post."""
    lean = product.quality - 0.6 + 0.5 * mood + rng.gauss(0, 0.45)
    kind = 1 if lean > 0.2 else -1 if lean < -0.25 else 0
    text = rng.choice(_POSTS[kind]).format(thing=product.name.lower())
    return f"{text} #{product.category}" if rng.random() < 0.3 else text
