"""A topic's contract in the formats of other tools: JSON Schema, Avro, and the Open Data Contract Standard (ODCS).

JSON Schema also has the version of the contract, as `x-contract`, and what its upcasters do.

Records stay UTF-8 JSON. JSON Schema describes exactly them, except that it cannot say which words count as no customer.
Avro describes the same fields for tools that store records in Avro.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

import msgspec

from headrace.contracts.fields import Field, Kind, fields_of
from headrace.contracts.topic import Topic
from headrace.contracts.types import MONEY_SCALE, Event, money_pattern
from headrace.contracts.versions import Upcast, Versions, versions_of

Format = Literal["jsonschema", "odcs", "avro"]
JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"
VERSIONS = "x-contract"
"""Key of the JSON Schema with the contract's version and upcasters, if the version is above 1."""
ODCS_VERSION = "v3.1.0"
"""https://github.com/bitol-io/open-data-contract-standard/blob/main/schema/odcs-json-schema-v3.1.0.json"""

_AVRO: dict[Kind, Any] = {
    "string": "string",
    "integer": "long",
    "number": "double",
    "boolean": "boolean",
    "time": {"type": "long", "logicalType": "timestamp-micros"},
}
_ODCS: dict[Kind, str] = {
    "string": "string",
    "money": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "time": "timestamp",
    "list": "array",
}


def export(topic: Topic, form: Format) -> dict[str, Any]:
    """The document of a topic's contract."""
    forms: dict[Format, Callable[[Topic], dict[str, Any]]] = {
        "jsonschema": json_schema,
        "odcs": odcs,
        "avro": avro,
    }
    return forms[form](topic)


def contract_of(topic: Topic) -> type[Event]:
    """The contract of a topic of events."""
    if topic.contract is None:
        raise ValueError(f"{topic.name} has no contract")
    return topic.contract


def json_schema(topic: Topic) -> dict[str, Any]:
    """JSON Schema of the values. Unknown fields are allowed, since decoders ignore them."""
    schema = msgspec.json.schema(contract_of(topic))
    definitions = {name: _portable(each) for name, each in schema["$defs"].items()}
    versions = versions_of(contract_of(topic))
    extra = {} if versions.current == 1 else {VERSIONS: _versions(versions)}
    return {"$schema": JSON_SCHEMA, "title": topic.name, **extra, "$ref": schema["$ref"], "$defs": definitions}


def _versions(versions: Versions) -> dict[str, Any]:
    """The version, and what the upcaster from each earlier one does: None if it is a function."""
    upcasts = {
        str(version): {"rename": dict(each.renames), "constants": dict(each.constants), "widen": dict(each.widenings)}
        if isinstance(each, Upcast)
        else None
        for version, each in sorted(versions.upcasters.items())
    }
    return {"version": versions.current, "upcasts": upcasts}


def _portable(node: Any) -> Any:
    """Without what is Python's own: `\\Z` in patterns; and without `additionalProperties`."""
    if isinstance(node, Mapping):
        items = cast("Mapping[str, Any]", node).items()
        return {name: _portable(value) for name, value in items if name != "additionalProperties"}
    if isinstance(node, list):
        return [_portable(each) for each in cast("list[Any]", node)]
    return re.sub(r"\\Z$", "$", node) if isinstance(node, str) else node


def avro(topic: Topic) -> dict[str, Any]:
    """Avro schema. Amounts are decimals, times are in microseconds; choices are strings, as Avro allows no spaces."""
    contract = contract_of(topic)
    return _avro_record(contract.__name__, contract.__doc__, fields_of(contract), f"headrace.{topic.domain}")


def _avro_record(name: str, doc: str | None, fields: tuple[Field, ...], namespace: str | None = None) -> dict[str, Any]:
    return {
        "type": "record",
        "name": name,
        **({"namespace": namespace} if namespace else {}),
        **({"doc": doc} if doc else {}),
        "fields": [_avro_field(field, name) for field in fields],
    }


def _avro_field(field: Field, record: str) -> dict[str, Any]:
    kind = _avro_type(field, record)
    if field.nullable:
        # The type of the default comes first.
        kind = ["null", kind] if field.required or field.default is None else [kind, "null"]
    default = {} if field.required else {"default": field.default}
    return {"name": field.name, "type": kind, "doc": field.description, **default}


def _avro_type(field: Field, record: str) -> Any:
    if field.kind == "list":
        return {"type": "array", "items": _avro_record(f"{record}_{field.name}", None, field.children)}
    if field.kind == "money":
        return {"type": "bytes", "logicalType": "decimal", "precision": field.digits, "scale": MONEY_SCALE}
    return _AVRO[field.kind]


def odcs(topic: Topic) -> dict[str, Any]:
    """Data contract of the Open Data Contract Standard, with the topic as its only object."""
    contract = contract_of(topic)
    return {
        "apiVersion": ODCS_VERSION,
        "kind": "DataContract",
        "id": f"headrace-{topic.name}",
        "name": topic.name,
        "version": f"{versions_of(contract).current}.0.0",
        "status": "active",
        "domain": topic.domain,
        "schema": [
            {
                "name": contract.__name__,
                "physicalName": topic.name,
                "physicalType": "topic",
                "logicalType": "object",
                "description": contract.__doc__ or "",
                "properties": [_odcs_property(field) for field in fields_of(contract)],
            }
        ],
    }


def _odcs_property(field: Field) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": field.name,
        "logicalType": _ODCS[field.kind],
        "physicalType": "string" if field.kind in ("money", "time") else _ODCS[field.kind],
        "required": not field.nullable and field.required,
        "description": field.description,
    }
    if options := _odcs_options(field):
        described["logicalTypeOptions"] = options
    if field.children:
        described["items"] = {
            "logicalType": "object",
            "properties": [_odcs_property(child) for child in field.children],
        }
    return described


def _escaped(text: str) -> str:
    """The text in a regular expression of ECMA-262, in which spaces cannot be escaped."""
    return re.sub(r"[\^$\\.*+?()[\]{}|/]", r"\\\g<0>", text)


def _odcs_options(field: Field) -> dict[str, Any]:
    if field.kind == "money" and field.digits is not None:
        return {"pattern": f"^{money_pattern(field.digits)}$"}
    if field.choices is not None:
        return {"pattern": f"^({'|'.join(map(_escaped, field.choices))})$"}
    if field.kind == "time":
        return {"timezone": True}
    given = {
        "minLength": field.min_length,
        "maxLength": field.max_length,
        "minimum": field.minimum,
        "maximum": field.maximum,
        "format": {"integer": "i64", "number": "f64"}.get(field.kind),
    }
    return {name: value for name, value in given.items() if value is not None}
