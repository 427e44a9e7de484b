"""Exported contracts accept what the strict decoder accepts, and are valid in their formats."""

import json
import re
from typing import Any

import jsonschema
import orjson
import pytest
import yaml
from typer.testing import CliRunner

from headrace import cli
from headrace.contracts.export import avro, export, json_schema, odcs
from headrace.contracts.fields import fields_of
from headrace.contracts.topic import Topic
from headrace.contracts.topics import EVENT_TOPICS, TOPICS
from tests.corpus import CASES, Case

ODCS_TYPES = {
    "string": {"minLength", "maxLength", "pattern", "format"},
    "timestamp": {"timezone"},
    "integer": {"minimum", "maximum", "format"},
    "number": {"minimum", "maximum", "format"},
    "boolean": set[str](),
    "array": set[str](),
}
"""The logical types of ODCS 3.1.0 that contracts use, and the options that it allows for each."""
ODCS_KEYS = {"name", "logicalType", "physicalType", "required", "description", "logicalTypeOptions", "items"}


def accepts(topic: str, value: bytes) -> bool:
    """Whether the JSON Schema of a topic accepts a value."""
    validator = jsonschema.Draft202012Validator(json_schema(TOPICS[topic]))
    return validator.is_valid(json.loads(value))


@pytest.mark.parametrize("topic", EVENT_TOPICS, ids=lambda topic: topic.name)
def test_the_json_schema_is_valid_and_has_every_field(topic: Topic) -> None:
    schema = json_schema(topic)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert topic.contract is not None
    properties = schema["$defs"][topic.contract.__name__]["properties"]
    assert list(properties) == [field.name for field in fields_of(topic.contract)]
    assert "\\Z" not in json.dumps(schema)


@pytest.mark.parametrize("case", [case for case in CASES if case.refused_as is None], ids=lambda case: case.name)
def test_the_json_schema_accepts_what_the_decoder_accepts(case: Case) -> None:
    assert accepts("orders", case.value)


def test_the_json_schema_rejects_what_lacks_a_field_or_has_another_type() -> None:
    valid = orjson.loads(next(case.value for case in CASES if case.refused_as is None))
    without = {name: value for name, value in valid.items() if name != "order_id"}
    assert accepts("orders", orjson.dumps(valid))
    for wrong in (without, {**valid, "total": "1.23456"}, {**valid, "kind": "fax"}, {**valid, "order_id": ""}):
        assert not accepts("orders", orjson.dumps(wrong))


@pytest.mark.parametrize("topic", EVENT_TOPICS, ids=lambda topic: topic.name)
def test_the_avro_schema_follows_avros_rules(topic: Topic) -> None:
    names: list[str] = []

    def check(kind: Any) -> None:
        if isinstance(kind, list):
            assert "null" in kind
            [kind] = [each for each in kind if each != "null"]
        if isinstance(kind, str):
            assert kind in ("string", "long", "double", "boolean")
        elif kind["type"] == "record":
            names.append(kind["name"])
            assert re.fullmatch(r"[A-Za-z_]\w*", kind["name"])
            for field in kind["fields"]:
                check(field["type"])
                if "default" in field:
                    first = field["type"][0] if isinstance(field["type"], list) else field["type"]
                    assert (field["default"] is None) == (first == "null"), "a default is of the first type"
        elif kind["type"] == "array":
            check(kind["items"])
        else:
            assert kind["logicalType"] in ("decimal", "timestamp-micros")

    check(avro(topic))
    assert len(set(names)) == len(names), "a name is defined once"
    assert topic.contract is not None
    assert [field["name"] for field in avro(topic)["fields"]] == [field.name for field in fields_of(topic.contract)]


@pytest.mark.parametrize("topic", EVENT_TOPICS, ids=lambda topic: topic.name)
def test_the_data_contract_has_only_what_odcs_allows(topic: Topic) -> None:
    document = odcs(topic)
    assert {"version", "apiVersion", "kind", "id", "status"} <= document.keys()
    (described,) = document["schema"]
    assert (described["physicalName"], described["physicalType"]) == (topic.name, "topic")
    properties = list(described["properties"])
    for each in properties:
        assert each.keys() <= ODCS_KEYS
        assert each.get("logicalTypeOptions", {}).keys() <= ODCS_TYPES[each["logicalType"]]
        properties += each.get("items", {}).get("properties", [])


def test_a_pattern_of_choices_is_one_of_ecma_262() -> None:
    (flag,) = (each for each in odcs(TOPICS["orders"])["schema"][0]["properties"] if each["name"] == "quality_flag")
    assert flag["logicalTypeOptions"]["pattern"] == "^(ahead of time|empty cart|total mismatch|unverified)$"
    assert flag["required"] is False


@pytest.mark.parametrize("form", ["jsonschema", "avro", "odcs"])
def test_the_command_prints_the_document(form: Any) -> None:
    printed = CliRunner().invoke(cli.build_app(), ["contract", "export", "orders", "--format", form]).stdout
    assert (yaml.safe_load if form == "odcs" else json.loads)(printed) == export(TOPICS["orders"], form)
