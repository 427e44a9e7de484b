"""What the kernels of texts take, against their libraries, on real texts (part of `make bench-scoring`).

The texts are cleaned, as the scorer does. Those of the first half are read before, so that caches hold what a scorer
has seen. The tweets are few, so that a quarter of the words of the other half are new; of the reviews' it is 4%, as in
a scorer that has run for a while. Library and kernel alternate. Figures are medians of processor time, of one thread.
"""

import csv
import gzip
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from headrace.models.kernels.interface import Kernels

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
ROUNDS = 7
MOST_TEXTS = 10_000


def tweets() -> list[str]:
    return (SHARED / "tweets-xlmt-en" / "train_text.txt").read_text("utf-8").splitlines()


def reviews() -> list[str]:
    with gzip.open(SHARED / "clothing-reviews" / "womens_clothing_reviews.csv.gz", "rt", encoding="utf-8") as file:
        return [text for row in csv.DictReader(file) if (text := row["Review Text"])]


def compare(rounds: int = ROUNDS) -> dict[str, dict[str, dict[str, float]]]:
    """Microseconds of processor time a text, by library and by kernel, and the gain: by corpus and kernel."""
    return {corpus.__name__: _compare(corpus(), rounds) for corpus in (tweets, reviews)}


def _compare(raw: Sequence[str], rounds: int) -> dict[str, dict[str, float]]:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from threadpoolctl import threadpool_limits

    from headrace.cases.data_science.models.sentiment.domain import CHARACTERS
    from headrace.cases.data_science.models.sentiment.text import read_all
    from headrace.models.kernels.library import Library
    from headrace.models.vectorized import Vectorized
    from headrace.models.vectorized.counting import counter

    texts = [each.text for each in read_all([(text, "en") for text in raw])]
    found: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds):
        drawn = random.Random(number).sample(texts, min(len(texts), MOST_TEXTS))
        seen, new = drawn[: len(drawn) // 2], drawn[len(drawn) // 2 :]
        vectorizer = TfidfVectorizer(**CHARACTERS).fit(seen)
        counter.cache_clear()
        with threadpool_limits(1):
            for name, kernels in (("library", Library()), ("kernel", Vectorized())):
                for kernel, run in _runs(kernels, vectorizer).items():
                    found.setdefault(kernel, {}).setdefault(name, []).append(_microseconds(run, seen, new))
    return {kernel: _summary(each["library"], each["kernel"]) for kernel, each in found.items()}


def _runs(kernels: Kernels, vectorizer: Any) -> dict[str, Callable[[Sequence[str]], Any]]:
    return {"language": kernels.languages, "characters": lambda texts: kernels.weights(vectorizer, texts)}


def _microseconds(run: Callable[[Sequence[str]], Any], seen: Sequence[str], new: Sequence[str]) -> float:
    run(seen)
    started = time.process_time()
    run(new)
    return (time.process_time() - started) / len(new) * 1e6


def _summary(library: list[float], kernel: list[float]) -> dict[str, float]:
    gains = [theirs / ours for theirs, ours in zip(library, kernel, strict=True)]
    return {
        "library_us": round(statistics.median(library), 1),
        "kernel_us": round(statistics.median(kernel), 1),
        "gain": round(statistics.median(gains), 2),
    }
