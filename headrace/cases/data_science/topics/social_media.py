"""Posts on social media."""

from typing import Annotated

from headrace.cases.data_science.labels import Label
from headrace.contracts.topic import event_topic
from headrace.contracts.types import Event, Identifier, Platform, PostId, Reference, about


class SocialPost(Event, kw_only=True, frozen=True):
    """A public post, or its deletion (`deleted`, without text)."""

    post_id: Annotated[PostId, about("The platform's id.")]
    platform: Annotated[Platform, about("Such as `bluesky`, `mastodon` or `twitter`.")]
    author: Annotated[Identifier, about("Pseudonym of the author (keyed hash).")]
    text: Annotated[str | None, about("Plain text; empty on a delete.")] = None
    language: Annotated[Reference | None, about("ISO 639 code as the author or the platform declared it.")] = None
    is_reply: Annotated[bool, about("Whether the post replies to another post.")] = False
    is_repost: Annotated[bool, about("Whether the post repeats another post.")] = False
    deleted: Annotated[bool, about("Whether the post was deleted on its platform.")] = False
    label: Annotated[Label | None, about("Sentiment label set by a person; in labeled data sets only.")] = None


SOCIAL_MEDIA = event_topic("social_media", SocialPost, key="author", partitions=4, days=7)
