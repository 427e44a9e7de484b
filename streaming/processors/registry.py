"""All processors by name, in topological order. To add one, write its class and a line here."""

from collections.abc import Callable
from typing import Any

from headrace.models.behavior import scorer as behavior
from headrace.models.registry.current_scorer import CurrentScorer
from headrace.models.sentiment import scorer as sentiment
from headrace.streaming.processors.behavior_scorer import BehaviorScorer
from headrace.streaming.processors.order_extractor import OrderExtractor
from headrace.streaming.processors.sentiment_scorer import SentimentScorer
from headrace.streaming.runtime.processing.processor import Processor

PROCESSORS: dict[str, Callable[[], Processor]] = {
    each.name: each for each in (OrderExtractor, BehaviorScorer, SentimentScorer)
}

SCORERS: dict[str, CurrentScorer[Any]] = {
    BehaviorScorer.name: behavior.SCORER,
    SentimentScorer.name: sentiment.SCORER,
}
"""The model of each scorer."""
