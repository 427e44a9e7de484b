"""Random events of every topic, few of them, many out of the ordinary: repeated, late, corrected, moved, deleted."""

from datetime import datetime
from typing import Any, Literal

import msgspec
from hypothesis import strategies as st

from headrace.cases.data_science.labels import Label
from headrace.cases.data_science.topics.customer_sentiment import CustomerSentiment
from headrace.cases.ecommerce.topics.customer_behavior import CustomerBehavior
from headrace.contracts.types import Event
from tests.integration.samples import at, customer, feedback, hit, order, post, weather

TIMES = st.builds(at, days=st.integers(0, 70), minutes=st.integers(0, 40))
NAMES = st.sampled_from("ABC")
CUSTOMERS = st.sampled_from(["C1", "C2", "C1", "C2", None])
QUANTITIES = st.one_of(st.integers(-3, 9), st.just(200_000_000))
"""The last one is out of bounds: its row goes to quarantine."""
LINES = st.lists(st.tuples(NAMES, QUANTITIES, st.sampled_from(["0.125", "2.55", "7"])), max_size=4)


@st.composite
def _order(draw: st.DrawFn) -> Event:
    values = {
        "channel": draw(st.sampled_from(["web", "store"])),
        "kind": draw(st.sampled_from(["order", "order", "return", "adjustment"])),
        "customer_id": draw(CUSTOMERS),
        "country": draw(st.sampled_from(["France", None])),
        "currency": draw(st.sampled_from(["GBP", "GBP", "EUR", "pounds"])),
    }
    number = draw(st.integers(1, 9))
    sent = order(f"{number}", *draw(LINES), time=draw(TIMES), version=draw(st.integers(1, 3)), **values)
    flag = draw(st.sampled_from([None, None, "unverified"]))
    is_web = values["channel"] == "web"
    return msgspec.structs.replace(sent, session_id="s1", quality_flag=flag) if is_web else sent


@st.composite
def _score(draw: st.DrawFn) -> Event:
    time: datetime = draw(TIMES)
    number = draw(st.integers(1, 9))
    return CustomerBehavior(
        event_id=f"behavior-{number}-{time:%m%dT%H%M}",
        event_time=time,
        source="test",
        customer_id=draw(NAMES),
        feature_cutoff=time,
        orders=1,
        returns=0,
        monetary_value="1",
        repurchase_probability=0.5,
        segment=draw(st.sampled_from(["new", "loyal", "lapsing"])),
        model_version="rfm-rule",
        scored_at=at(days=100 + number),
    )


@st.composite
def _number_and_time(draw: st.DrawFn) -> tuple[int, datetime]:
    """Number and time of a feedback. Each number has few times, so that a score often matches a feedback."""
    number = draw(st.integers(1, 6))
    return number, at(days=7 * number + draw(st.integers(0, 1)), minutes=draw(st.integers(0, 40)))


@st.composite
def _sentiment(draw: st.DrawFn) -> Event:
    subject: Literal["post", "feedback"] = draw(st.sampled_from(["post", "feedback"]))
    number, time = draw(_number_and_time() if subject == "feedback" else st.tuples(st.integers(1, 6), TIMES))
    labels: list[Label | None] = ["negative", "neutral", "positive", None]
    label = draw(st.sampled_from(labels))
    return CustomerSentiment(
        event_id=f"sentiment-{subject}-{number}-{time:%m%dT%H%M}",
        event_time=time,
        source="test",
        subject_id=f"f{number}" if subject == "feedback" else f"bluesky/{number}",
        subject=subject,
        platform="form" if subject == "feedback" else "bluesky",
        language="en",
        label=label,
        positive=0.5 if label else None,
        model_version="vader",
        scored_at=at(days=100),
        deleted=draw(st.booleans()) and label is None,
    )


def _posts(number: int, time: datetime, deleted: bool) -> Event:
    return post(f"p{number}", time=time, deleted=deleted, text=None if deleted else "a text")


def _hits(number: int, time: datetime, client: str, session: str | None, pixel: str | None) -> Event:
    values: dict[str, Any] = {"client_id": client, "session_id": session if pixel else None, "pixel_event": pixel}
    return hit(f"e{number}-{time:%m%dT%H%M}", time=time, **values)


EVENTS: dict[str, st.SearchStrategy[Event]] = {
    "orders": _order(),
    "customers": st.builds(
        customer, st.sampled_from(["C1", "C2"]), time=TIMES, country=st.sampled_from("FG"), deleted=st.booleans()
    ),
    "customer_behavior": _score(),
    "customer_sentiment": _sentiment(),
    "social_media": st.builds(_posts, st.integers(1, 6), TIMES, st.booleans()),
    "customer_feedback": st.builds(
        lambda place, **values: feedback(f"f{place[0]}", time=place[1], **values),
        _number_and_time(),
        rating=st.sampled_from([1, 4, None]),
        text=st.sampled_from(["the fabric is soft", "late delivery", ""]),
        customer_id=CUSTOMERS,
    ),
    "weather_data": st.builds(
        weather,
        time=st.builds(at, days=st.integers(0, 70)),
        version=st.integers(1, 9),
        temperature_c=st.sampled_from([-4.5, 7.25, 19.0, 1_000.0]),
        precipitation_mm=st.sampled_from([0.0, 3.5, None]),
    ),
    "web_logs": st.builds(
        _hits,
        st.integers(1, 9),
        TIMES,
        NAMES,
        st.sampled_from(["s1", None]),
        st.sampled_from(["page_view", "add_to_cart", "purchase", None]),
    ),
}
BATCH = st.fixed_dictionaries({topic: st.lists(event, min_size=1, max_size=9) for topic, event in EVENTS.items()})
"""What lands of each topic between two builds."""

_DAY = at(days=90)
_SUBJECTS: list[tuple[Literal["post", "feedback"], str, str]] = [
    ("post", "bluesky/p90", "bluesky"),
    ("feedback", "f90", "form"),
]
EVERY_TABLE: dict[str, list[Event]] = {
    "orders": [
        order("90", ("A", 2, "2.55"), customer_id="C1", time=_DAY),
        msgspec.structs.replace(
            order("91", ("B", 1, "7"), channel="web", customer_id="C1", time=_DAY), session_id="s9"
        ),
    ],
    "customers": [customer("C9", time=_DAY)],
    "customer_behavior": [
        CustomerBehavior(
            event_id=f"behavior-9{number}",
            event_time=at(days=45 + number),
            source="test",
            customer_id="C1",
            feature_cutoff=at(days=45 + number),
            orders=1,
            returns=0,
            monetary_value="1",
            repurchase_probability=0.5,
            segment=segment,
            model_version="rfm-rule",
            scored_at=at(days=110 + number),
        )
        for number, segment in enumerate(("new", "loyal"))
    ],
    "customer_sentiment": [
        CustomerSentiment(
            event_id=f"sentiment-{subject}-90",
            event_time=_DAY,
            source="test",
            subject_id=subject_id,
            subject=subject,
            platform=platform,
            language="en",
            label="positive",
            positive=0.5,
            model_version="vader",
            scored_at=at(days=110),
        )
        for subject, subject_id, platform in _SUBJECTS
    ],
    "social_media": [post("p90", time=_DAY, text="good")],
    "customer_feedback": [feedback("f90", time=_DAY, rating=4, text="the fabric is soft", customer_id="C1")],
    "weather_data": [weather(time=_DAY)],
    "web_logs": [
        hit("e90", time=_DAY, client_id="A", session_id="s9", pixel_event="page_view"),
        hit("e91", time=at(days=90, minutes=1), client_id="A", session_id="s9", pixel_event="purchase"),
    ],
}
"""Events that give nearly every table a row, in any batch: none of them is replaced by a drawn one."""
