"""What is derived from the contracts."""

import pyarrow as pa
import pytest

from headrace.cases.ecommerce.topics.orders import Order
from headrace.contracts.fields import fields_of
from headrace.contracts.landing import RECORD_FIELDS, landing_schema
from headrace.contracts.topic import Topic
from headrace.contracts.topics import EVENT_TOPICS, TOPICS
from headrace.contracts.types import MAX_ID_LENGTH, derived_id


@pytest.mark.parametrize("topic", EVENT_TOPICS, ids=lambda topic: topic.name)
def test_every_field_is_described_and_lands(topic: Topic) -> None:
    assert topic.contract is not None
    fields = fields_of(topic.contract)
    assert all(field.description for field in fields)
    assert landing_schema(topic).names == [*(f.name for f in fields), *(f.name for f in RECORD_FIELDS)]


def test_money_is_decimal_and_time_is_utc_at_any_depth() -> None:
    types = {field.name: field.arrow_type for field in fields_of(Order)}
    assert types["total"] == pa.decimal128(18, 4)
    assert types["event_time"] == pa.timestamp("us", tz="UTC")
    assert types["lines"].value_type.field("unit_price").type == pa.decimal128(18, 4)


def test_every_event_topic_has_its_dead_letter_topic() -> None:
    for topic in EVENT_TOPICS:
        assert TOPICS[topic.dead_letter].is_dead_letter


def test_an_id_derived_from_any_value_is_an_identifier() -> None:
    assert derived_id("web", "536365") == "web-536365"
    longest = [derived_id("web", "o" * 255 + last) for last in "ab"]
    assert len(set(longest)) == 2
    assert longest == [derived_id("web", "o" * 255 + last) for last in "ab"]
    assert all(len(found) <= MAX_ID_LENGTH for found in longest)


@pytest.mark.parametrize("topic", EVENT_TOPICS, ids=lambda topic: topic.name)
def test_every_id_of_every_contract_is_bounded(topic: Topic) -> None:
    assert topic.contract is not None
    fields = fields_of(topic.contract)
    fields += tuple(child for field in fields for child in field.children)
    ids = [field for field in fields if field.name.endswith("_id") or field.name in ("sku", "source", "author")]
    assert ids
    assert all(field.max_length is not None and field.max_length <= MAX_ID_LENGTH for field in ids)
