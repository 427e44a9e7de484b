"""Every processor by its name. Adding one is its class and a line here."""

from collections.abc import Callable

from streaming.processors.order_extractor import OrderExtractor
from streaming.processors.processor import Processor
from streaming.processors.sentiment_scorer import SentimentScorer

PROCESSORS: dict[str, Callable[[], Processor]] = {each.name: each for each in (OrderExtractor, SentimentScorer)}
