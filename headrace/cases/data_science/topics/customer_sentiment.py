"""Predictions of the sentiment model."""

from typing import Annotated, Literal

from headrace.cases.data_science.labels import Label
from headrace.contracts.topic import event_topic
from headrace.contracts.types import Event, Identifier, Probability, Reference, UtcTime, about


class CustomerSentiment(Event, kw_only=True, frozen=True):
    """The sentiment model's prediction for one post or feedback; `event_time` is that of the subject."""

    subject_id: Annotated[
        Identifier, about("`platform/post_id` of the post, or `feedback_id`; the same for all its versions.")
    ]
    subject: Annotated[Literal["post", "feedback"], about("What was scored.")]
    platform: Annotated[Identifier, about("Platform of the post, or channel of the feedback.")]
    language: Annotated[Reference | None, about("Language detected.")] = None
    label: Annotated[Label | None, about("Most probable class; empty if unreadable or deleted.")] = None
    negative: Annotated[Probability | None, about("Probability of `negative`.")] = None
    neutral: Annotated[Probability | None, about("Probability of `neutral`.")] = None
    positive: Annotated[Probability | None, about("Probability of `positive`.")] = None
    unreadable_reason: Annotated[str | None, about("Why the model could not read it.")] = None
    model_version: Annotated[Identifier, about("Version of the model, or `vader`.")]
    scored_at: Annotated[UtcTime, about("When the subject was scored.")]
    deleted: Annotated[bool, about("Whether the subject was deleted; its scores are removed.")] = False


CUSTOMER_SENTIMENT = event_topic("customer_sentiment", CustomerSentiment, key="subject_id", partitions=4, days=30)
