"""All processors by name, in topological order. To add one, write its class and a line here."""

from collections.abc import Callable
from typing import Any

from models.behavior import scorer as behavior
from models.registry.current_scorer import CurrentScorer
from models.sentiment import scorer as sentiment
from streaming.processors.behavior_scorer import BehaviorScorer
from streaming.processors.order_extractor import OrderExtractor
from streaming.processors.sentiment_scorer import SentimentScorer
from streaming.runtime.processing.processor import Processor

PROCESSORS: dict[str, Callable[[], Processor]] = {
    each.name: each for each in (OrderExtractor, BehaviorScorer, SentimentScorer)
}

SCORERS: dict[str, CurrentScorer[Any]] = {
    BehaviorScorer.name: behavior.SCORER,
    SentimentScorer.name: sentiment.SCORER,
}
"""The model of each scorer."""
