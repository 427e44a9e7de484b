"""Contracts in TOML: they say what a class says, and every mistake is reported with its line and the nearest name."""

from decimal import Decimal
from pathlib import Path

import pytest

from headrace.contracts import packages, topics
from headrace.contracts.decoding import InvalidRecord, decode, decode_record
from headrace.contracts.export import json_schema
from headrace.contracts.fields import fields_of
from headrace.contracts.landing import landing_schema
from headrace.contracts.toml_contracts import topic_of
from headrace.contracts.toml_export import toml
from headrace.contracts.toml_places import ContractError
from headrace.contracts.topic import Topic
from headrace.contracts.topics import EVENT_TOPICS, TOPICS
from headrace.contracts.versions import Upcast, versions_of
from headrace.streaming.landing.byte_column import ByteColumn
from headrace.streaming.landing.columnar import decode_batch
from tests.corpus import CASES

GAUGES = """
about = "One reading of a water gauge."
key = "station"
partitions = 2
version = 3

[fields.station]
type = "Identifier"
about = "The gauge."

[fields.level]
type = "Number"
minimum = -10
about = "Level."

[fields.unit]
choices = ["m", "ft"]
default = "m"
about = "Unit of the level."

[fields.prices]
optional = true
about = "Prices."

[fields.prices.items.total]
type = "Money"
about = "Amount."

[upcast.1]
rename = { place = "spot" }
widen = { level = "number" }

[upcast.2]
rename = { station = "place" }
constants = { unit = "ft" }
"""


def load(text: str) -> Topic:
    return topic_of(text, name="gauges", file="topics/gauges.toml", domain="my-shop")


@pytest.mark.parametrize("topic", EVENT_TOPICS, ids=lambda topic: topic.name)
def test_a_built_in_contract_in_toml_is_the_same_contract(topic: Topic) -> None:
    assert topic.contract is not None
    read = topic_of(toml(topic), name="other", file="t.toml", domain=topic.domain)
    assert read.contract is not None
    assert json_schema(read) == json_schema(topic)
    assert landing_schema(read).equals(landing_schema(topic), check_metadata=True)
    assert fields_of(read.contract) == fields_of(topic.contract)
    assert (read.name, read.key, read.partitions, read.config) == (
        topic.name,
        topic.key,
        topic.partitions,
        topic.config,
    )


def test_a_contract_in_toml_decodes_as_its_class_does() -> None:
    topic = TOPICS["orders"]
    read = topic_of(toml(topic), name="orders", file="t.toml", domain="ecommerce")
    assert topic.contract is not None
    assert read.contract is not None
    values = ByteColumn.of([case.value for case in CASES], b"\n")
    by_class, by_text = decode_batch(topic.contract, values), decode_batch(read.contract, values)
    assert by_text.events.equals(by_class.events)
    assert by_text.offenders == by_class.offenders
    for case in CASES:
        try:
            expected = str(decode(topic.contract, case.value)).partition("(")[2]
        except InvalidRecord as refused:
            expected = str(refused)
        try:
            found = str(decode(read.contract, case.value)).partition("(")[2]
        except InvalidRecord as refused:
            found = str(refused)
        assert found == expected


def test_a_contract_declares_its_topic_and_its_versions() -> None:
    topic = load(GAUGES)
    assert topic.contract is not None
    assert (topic.name, topic.domain, topic.partitions, topic.retention_ms) == ("gauges", "my-shop", 2, 2_592_000_000)
    assert versions_of(topic.contract).upcasters[2] == Upcast({"station": "place"}, {"unit": "ft"}, {})
    old = b'{"event_id":"1","event_time":"2026-03-01T12:00:00Z","source":"s","spot":"A","level":3}'
    event = decode_record(topic.contract, old, None)
    assert [getattr(event, name) for name in ("station", "level", "unit")] == ["A", 3.0, "ft"]
    assert topic_of(toml(topic), name="x", file="y", domain="z").contract is not None
    assert toml(topic_of(toml(topic), name="x", file="y", domain="z")) == toml(topic)
    assert landing_schema(topic).field("level").type == "double"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("partitions = 2", "partitons = 2", r"topics/gauges.toml, line 4: partitons: .* Did you mean partitions\?"),
        (
            '"Identifier"',
            '"Identifer"',
            r"line 8: fields.station.type: there is no Identifer. Did you mean Identifier\?",
        ),
        ('"Identifier"', '"Decimal"', r"line 8: .* There are: Boolean, Buyer, "),
        ('about = "The gauge."', "", r"line 7: fields.station: about is missing"),
        ("minimum = -10", "min_length = 1", "line 13: fields.level.min_length: Number has no min_length"),
        ("minimum = -10", "minimun = -10", r"line 13: .*Did you mean minimum\?"),
        ('default = "m"', 'default = "km"', "line 18: fields.unit.default: the default is not valid"),
        ("[fields.station]", "[fields.Station]", "line 7: fields.Station: 'Station' is not a name of a field"),
        ("[fields.station]", "[fields.event_id]", "line 7: fields.event_id: every event has event_id already"),
        ('station = "place"', 'stetion = "place"', r"stetion is not a field here. Did you mean station\?"),
        ("version = 3", "version = 4", r"line 5: version: .*one is missing. Add \[upcast.3\]"),
        ("version = 3", "version = 0", "line 5: version: version is not a whole number from 1 to 999"),
        ('"number"', '"nunber"', r"there is no nunber. Did you mean number\?"),
        ("partitions = 2", "partitions = ", "this is not TOML: .*line 4"),
        ('choices = ["m", "ft"]', "choices = []", "line 17: fields.unit.choices: .* list of different texts"),
        ('key = "station"', "key = 3", "line 3: key: key is not text in quotes"),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_the_nearest_name(old: str, new: str, message: str) -> None:
    assert old in GAUGES
    with pytest.raises(ContractError, match=message):
        load(GAUGES.replace(old, new, 1))


def test_a_package_has_a_topic_for_each_toml_file_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "topics").mkdir()
    (tmp_path / "topics" / "gauges.toml").write_text(GAUGES)
    with packages.using(packages.Package("my_shop", tmp_path, packages.PROJECT)):
        (topic,) = topics.composed()
        assert (topic.name, topic.domain, topic.partitions) == ("gauges", "my_shop", 2)
        (tmp_path / "topics" / "gauges.toml").write_text("about = ")
        with pytest.raises(ContractError, match=r"topics/gauges.toml: this is not TOML"):
            topics.composed()


def test_a_contract_without_fields_is_refused() -> None:
    with pytest.raises(ContractError, match="fields is missing"):
        load('about = "x"\nkey = "y"\n')


def test_elements_without_bounded_texts_or_without_any_check_land() -> None:
    contract = load(GAUGES.replace('type = "Money"', 'type = "Boolean"\noptional = true')).contract
    assert contract is not None
    value = (
        b'{"event_id":"1","event_time":"2026-03-01T12:00:00Z","source":"s","station":"A","level":3,'
        b'"prices":[{"total":true},{}]}'
    )
    decoded = decode_batch(contract, ByteColumn.of([value], b"\n"))
    assert decoded.events["prices"].to_list() == [[{"total": True}, {"total": None}]]


def test_amounts_of_a_list_land_as_decimals() -> None:
    contract = load(GAUGES).contract
    assert contract is not None
    value = (
        b'{"event_id":"1","event_time":"2026-03-01T12:00:00Z","source":"s","station":"A","level":3,'
        b'"prices":[{"total":"2.50"}]}'
    )
    assert decode_batch(contract, ByteColumn.of([value], b"\n")).events["prices"].to_list() == [
        [{"total": Decimal("2.5000")}]
    ]
