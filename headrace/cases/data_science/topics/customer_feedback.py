"""Feedback forms and reviews."""

from typing import Annotated

from msgspec import Meta

from headrace.cases.data_science.labels import Label
from headrace.contracts.topic import event_topic
from headrace.contracts.types import Buyer, Event, Identifier, Reference, about

Rating = Annotated[int, Meta(ge=1, le=5)]


class CustomerFeedback(Event, kw_only=True, frozen=True):
    """One filled-in feedback form or review."""

    feedback_id: Annotated[Identifier, about("Id of the form or review, unique within its source.")]
    channel: Annotated[Identifier, about("Where it was submitted: `form`, `review`, `import`.")]
    customer_id: Annotated[Buyer | None, about("The customer, when known.")] = None
    rating: Annotated[Rating | None, about("Stars, 1 to 5.")] = None
    title: Annotated[str | None, about("Title of the text.")] = None
    text: Annotated[str | None, about("Text that the person wrote.")] = None
    subject: Annotated[Reference | None, about("Topic of the feedback: a product group or place.")] = None
    product_id: Annotated[Reference | None, about("The product, if the feedback is about one.")] = None
    label: Annotated[Label | None, about("Sentiment label set by a person; in labeled data sets only.")] = None


CUSTOMER_FEEDBACK = event_topic(
    "customer_feedback", CustomerFeedback, key="customer_id, or feedback_id", partitions=2, days=30
)
