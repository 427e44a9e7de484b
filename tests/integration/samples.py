"""Small events of every topic, for tests that use only a few of their fields."""

from datetime import UTC, datetime, timedelta
from typing import Any

from headrace.cases.data_science.topics.customer_feedback import CustomerFeedback
from headrace.cases.data_science.topics.social_media import SocialPost
from headrace.cases.data_science.topics.weather_data import WeatherObservation
from headrace.cases.ecommerce.topics.customers import Customer
from headrace.cases.ecommerce.topics.orders import Order, OrderLine
from headrace.cases.ecommerce.topics.web_logs import WebLog

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(minutes: float = 0, days: float = 0) -> datetime:
    """A time after the start of the story."""
    return START + timedelta(days=days, minutes=minutes)


def order(order_id: str, *lines: tuple[str, int, str], time: datetime = START, **fields: Any) -> Order:
    values: dict[str, Any] = {
        "channel": "store",
        "kind": "order",
        "customer_id": "C1",
        "country": "France",
        "currency": "GBP",
    } | fields
    return Order(
        event_id=f"{values['channel']}-{order_id}-{values.pop('version', 1)}",
        event_time=time,
        source="test",
        order_id=order_id,
        lines=[OrderLine(sku=sku, description=sku.lower(), quantity=n, unit_price=price) for sku, n, price in lines],
        total=values.pop("total", "0"),
        **values,
    )


def customer(customer_id: str, *, time: datetime = START, **fields: Any) -> Customer:
    values: dict[str, Any] = {"country": "France"} | fields
    return Customer(
        event_id=f"{customer_id}-{time:%m%dT%H%M%S}", event_time=time, source="test", customer_id=customer_id, **values
    )


def post(post_id: str, *, time: datetime = START, **fields: Any) -> SocialPost:
    values: dict[str, Any] = {"text": f"post {post_id}", "language": "en", "author": "A"} | fields
    deleted = "-deleted" if values.get("deleted") else ""
    return SocialPost(
        event_id=f"{post_id}-{time:%m%dT%H%M%S}{deleted}",
        event_time=time,
        source="test",
        post_id=post_id,
        platform="bluesky",
        **values,
    )


def feedback(feedback_id: str, *, time: datetime = START, **fields: Any) -> CustomerFeedback:
    values: dict[str, Any] = {"rating": 4, "text": "good"} | fields
    return CustomerFeedback(
        event_id=f"{feedback_id}-{time:%m%dT%H%M%S}",
        event_time=time,
        source="test",
        feedback_id=feedback_id,
        channel="form",
        **values,
    )


def weather(*, time: datetime = START, version: int = 1, **fields: Any) -> WeatherObservation:
    values: dict[str, Any] = {"station": "EWR", "period_s": 3600, "temperature_c": 7.25} | fields
    return WeatherObservation(event_id=f"{time:%m%dT%H%M%S}-{version}", event_time=time, source="test", **values)


def hit(event_id: str, *, time: datetime = START, **fields: Any) -> WebLog:
    values: dict[str, Any] = {
        "visitor_id": "V1",
        "client_id": "c",
        "path": "/",
        "status": 200,
        "device": "desktop",
        "is_bot": False,
    } | fields
    return WebLog(event_id=event_id, event_time=time, source="test", **values)
