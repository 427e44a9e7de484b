"""The API's description in OpenAPI 3.1, made from the very types that it decodes."""

from typing import Any

import msgspec

from headrace.cases.data_science.sources.feedback.submissions import INPUT_TOPICS, MAX_BODY_BYTES, Submission
from headrace.contracts.nesting import MAX_DEPTH
from headrace.contracts.topics import TOPICS

PROBLEM_JSON = "application/problem+json"


class Receipt(msgspec.Struct, frozen=True):
    """The event has been stored."""

    event_id: str
    topic: str


class Problem(msgspec.Struct, frozen=True):
    """Why a request was not accepted (RFC 9457)."""

    title: str
    status: int
    detail: str


_ANSWERS = {
    "202": "Stored: the broker has acknowledged the event.",
    "400": "Not readable: malformed JSON, not UTF-8, nested too deeply, a bad Idempotency-Key.",
    "401": "The token is missing or wrong.",
    "408": "The body did not arrive in time.",
    "413": f"The body is longer than {MAX_BODY_BYTES} bytes.",
    "415": "The body is not application/json.",
    "422": "Readable, but not valid; or the key was used for other content.",
    "429": "Too many requests: wait as long as Retry-After says.",
    "503": "The broker is unavailable: send it again, with the same key, after Retry-After.",
}


def openapi(version: str) -> dict[str, Any]:
    """The description as a JSON object."""
    contracts = {name: TOPICS[name].contract for name in INPUT_TOPICS}
    types = [Submission, Receipt, Problem, *(contract for contract in contracts.values() if contract)]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    of_type = dict(zip([each.__name__ for each in types], schemas, strict=True))
    paths: dict[str, Any] = {
        "/api/feedback": {"post": _post("Post feedback", of_type["Submission"], [_KEY_HEADER])},
    }
    for name, contract in contracts.items():
        if contract is not None:
            summary = f"Post an event of {name}"
            paths[f"/api/events/{name}"] = {"post": _post(summary, of_type[contract.__name__], [])}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Headrace feedback", "version": version, "description": _ABOUT},
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    }


_ABOUT = (
    f"An answer of 202 means that the event is stored. A body is at most {MAX_BODY_BYTES} bytes of UTF-8 JSON, "
    f"nested at most {MAX_DEPTH} levels deep. Sent again with the same Idempotency-Key (or event_id) it is stored once."
)
_KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Becomes the event's id. Without one each request is an event of its own.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
}


def _post(summary: str, body: dict[str, Any], parameters: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "summary": summary,
        "parameters": parameters,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {status: _answer(status, text) for status, text in _ANSWERS.items()},
    }


def _answer(status: str, text: str) -> dict[str, Any]:
    accepted = status == "202"
    name, media = ("Receipt", "application/json") if accepted else ("Problem", PROBLEM_JSON)
    described: dict[str, Any] = {
        "description": text,
        "content": {media: {"schema": {"$ref": f"#/components/schemas/{name}"}}},
    }
    if status in ("429", "503"):
        described["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return described
