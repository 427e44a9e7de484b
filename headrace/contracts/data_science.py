"""Events of the data-science domain: posts, weather, feedback, and the predictions of the sentiment model."""

from typing import Annotated, Literal

from msgspec import Meta

from headrace.contracts.types import Buyer, Event, Identifier, Platform, PostId, Probability, Reference, UtcTime, about

Label = Literal["negative", "neutral", "positive"]
Rating = Annotated[int, Meta(ge=1, le=5)]
Period = Annotated[int, Meta(ge=1, le=31_622_400)]


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


class WeatherObservation(Event, kw_only=True, frozen=True):
    """One observation at a station, over the period that ends at `event_time`, in SI units."""

    station: Annotated[Identifier, about("Station or place.")]
    period_s: Annotated[Period, about("Length of the period observed, in seconds.")]
    temperature_c: Annotated[float | None, about("Air temperature, degrees Celsius.")] = None
    temperature_min_c: Annotated[float | None, about("Lowest of the period, degrees Celsius.")] = None
    temperature_max_c: Annotated[float | None, about("Highest of the period, degrees Celsius.")] = None
    dew_point_c: Annotated[float | None, about("Dew point, degrees Celsius.")] = None
    relative_humidity_pct: Annotated[float | None, about("Relative humidity, percent.")] = None
    wind_speed_ms: Annotated[float | None, about("Wind speed, meters per second.")] = None
    wind_gust_ms: Annotated[float | None, about("Strongest gust, meters per second.")] = None
    wind_direction_deg: Annotated[float | None, about("Direction that the wind blows from, degrees from north.")] = None
    precipitation_mm: Annotated[float | None, about("Precipitation over the period, millimeters.")] = None
    pressure_hpa: Annotated[float | None, about("Sea-level pressure, hectopascal.")] = None
    visibility_m: Annotated[float | None, about("Visibility, meters.")] = None
    condition: Annotated[Reference | None, about("The source's word for the weather, such as `rain`.")] = None


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
