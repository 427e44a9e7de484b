"""The feedback service without Kafka: what it accepts, what it rejects, and its error messages."""

import asyncio
import base64
import inspect
import json
import re
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from headrace.cases.data_science.sources.feedback.app import Service
from headrace.cases.data_science.sources.feedback.description import openapi
from headrace.cases.data_science.sources.feedback.intake import Intake
from headrace.cases.data_science.sources.feedback.limits import RateLimit
from headrace.cases.data_science.sources.feedback.seen import Seen
from headrace.cases.data_science.sources.feedback.server import token_of
from headrace.cases.data_science.sources.feedback.submissions import INPUT_TOPICS, Record, customer_token, feedback
from headrace.cases.data_science.topics.customer_feedback import CustomerFeedback
from headrace.contracts.decoding import decode, encode
from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.streaming.sources.personal import scrubber
from headrace.streaming.sources.pseudonyms import pseudonymizer
from tests.integration.samples import customer, order

TOKEN = "a token"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


class Sent:
    """Takes records as the broker would."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes, bytes | None]] = []
        self.away = False

    async def send(self, topic: str, key: bytes, value: bytes | None) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise Transient("away")
        self.records.append((topic, key, value))

    async def close(self) -> None:
        return


PSEUDONYMIZE = pseudonymizer(b"key")


class Door:
    """The service and what it sent."""

    def __init__(self, **settings: Any) -> None:
        self.sent = Sent()
        self.seen = Seen()
        intake = Intake(self.sent, self.seen, scrubber(PSEUDONYMIZE))
        service = Service(Settings.model_validate({"feedback_api_rate": 1e6} | settings), TOKEN, intake)
        self.client = TestClient(service.app(), raise_server_exceptions=True)

    def post(self, body: Any, path: str = "/api/feedback", **headers: str) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(
            path, content=content, headers={"Content-Type": "application/json", **AUTHORIZED, **named}
        )

    def fill_in(self, **fields: str) -> Any:
        return self.client.post("/", data=fields)


def form_key(number: int) -> str:
    """A key as the page makes them."""
    return f"{number:032x}"


def test_feedback_is_an_event_with_the_key_as_its_id() -> None:
    door = Door()
    answer = door.post({"rating": 4, "text": "Nice ✓", "customer_id": "C1"}, Idempotency_Key="abc")
    assert (answer.status_code, answer.json()) == (202, {"event_id": "abc", "topic": "customer_feedback"})
    ((topic, key, value),) = door.sent.records
    event = decode(CustomerFeedback, value or b"")
    assert (topic, key, event.event_id, event.rating, event.text) == ("customer_feedback", b"C1", "abc", 4, "Nice ✓")
    assert (event.source, event.channel) == ("feedback", "api")


def test_addresses_in_what_a_person_writes_become_pseudonyms() -> None:
    door = Door()
    text = "Write to Joe@Bücher.example, I was at /log?ip=[2001:db8::7]:443."
    for _ in range(2):
        door.post({"title": "joe@xn--bcher-kva.example", "text": text, "customer_id": "C1"}, Idempotency_Key="a")
    door.fill_in(text=text, key=form_key(1))
    mail, client = PSEUDONYMIZE("email", "joe@bücher.example"), PSEUDONYMIZE("client", "2001:db8::7")
    api, form = (decode(CustomerFeedback, value or b"") for _, _, value in door.sent.records)
    assert api.title == mail
    assert api.text == form.text == f"Write to {mail}, I was at /log?ip=[{client}]:443."


def test_a_request_sent_again_is_stored_once_and_a_key_stands_for_one_content() -> None:
    door = Door()
    for _ in range(3):
        assert door.post({"rating": 4}, Idempotency_Key="abc").status_code == 202
    assert len(door.sent.records) == 1
    assert door.post({"rating": 5}, Idempotency_Key="abc").status_code == 422


def test_an_unacknowledged_post_is_503_and_the_same_event_when_sent_again() -> None:
    door = Door()
    door.sent.away = True
    answer = door.post({"rating": 4}, Idempotency_Key="abc")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    known = door.seen.get(feedback(b'{"rating": 4}', "abc", datetime.now(UTC)))
    assert known is not None
    door.sent.away = False
    time.sleep(0.01)
    assert door.post({"rating": 4}, Idempotency_Key="abc").status_code == 202
    assert decode(CustomerFeedback, door.sent.records[0][2] or b"").event_time == known.event_time


def test_the_same_key_at_the_same_time_is_sent_once() -> None:
    sent = Sent()
    intake = Intake(sent, Seen())

    async def together() -> None:
        records = [feedback(b'{"rating": 1}', "abc", datetime(2026, 1, 1, second=n, tzinfo=UTC)) for n in range(5)]
        await asyncio.gather(*map(intake.take, records))

    asyncio.run(together())
    assert len(sent.records) == 1


DEEP = b'{"text": ' + b"[" * 100 + b"]" * 100 + b"}"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ({}, {}, 422),
        ({"rating": 6}, {}, 422),
        ({"rating": True}, {}, 422),
        ({"rating": 3, "unknown": 1}, {}, 422),
        ({"text": " "}, {}, 422),
        ({"text": "x" * 20_001}, {}, 422),
        ({"text": "a\0b"}, {}, 422),
        ({"rating": 3, "event_time": "2026-01-01T00:00:00"}, {}, 422),
        ({"rating": 3, "event_time": "0001-01-01T00:00:00Z"}, {}, 422),
        ([], {}, 422),
        (b"", {}, 400),
        (b"{", {}, 400),
        (b'{"text": "\xff"}', {}, 400),
        (b'{"text": "\\ud800"}', {}, 400),
        (DEEP, {}, 400),
        (b" " * 1_000_001, {}, 413),
        ({"rating": 3}, {"Content_Type": "text/plain"}, 415),
        ({"rating": 3}, {"Idempotency_Key": "x" * 201}, 400),
        ({"rating": 3}, {"Idempotency_Key": "a b"}, 400),
        ({"rating": 3}, {"Authorization": "Bearer wrong"}, 401),
        ({"rating": 3}, {"Authorization": TOKEN}, 401),
    ],
)
def test_bad_requests_are_refused_with_the_reason(body: Any, headers: dict[str, str], status: int) -> None:
    door = Door()
    answer = door.post(body, **headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["detail"].endswith(".")
    assert door.sent.records == []
    assert door.post({"rating": 3}).status_code == 202


def test_a_body_that_only_turns_out_to_be_too_long_is_refused() -> None:
    def chunks() -> Any:
        for _ in range(20):
            yield b" " * 100_000

    door = Door()
    headers = {"Content-Type": "application/json", **AUTHORIZED}
    assert door.client.post("/api/feedback", content=chunks(), headers=headers).status_code == 413


def test_the_api_accepts_events_of_every_input_topic() -> None:
    door = Door()
    event = order("1", ("A", 2, "2.50"))
    assert door.post(encode(event), "/api/events/orders").status_code == 202
    assert door.sent.records == [("orders", b"C1", encode(event))]
    assert door.post(encode(event), "/api/events/weather_data").status_code == 422
    assert door.post(encode(event), "/api/events/customer_behavior").status_code == 404
    assert door.post(encode(event), "/api/events/orders.dlq").status_code == 404
    assert door.post(b'{"x": ' + b"[" * 60 + b"]" * 60 + b"}", "/api/events/orders").status_code == 400
    gone = encode(customer("C9", deleted=True))
    assert door.post(gone, "/api/events/customers").status_code == 202
    assert door.sent.records[1:] == [("customers", b"C9", gone), ("customers", b"C9", None)]


def test_the_form_works_without_scripts_and_says_what_is_wrong() -> None:
    door = Door(feedback_frame_ancestors=("https://shop.example",))
    page = door.client.get("/?product_id=85123A&subject=%22%3E%3Cscript%3E")
    assert "<script" not in page.text
    assert 'name="product_id" value="85123A"' in page.text
    assert "frame-ancestors 'self' https://shop.example" in page.headers["content-security-policy"]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    (key,) = re.findall(r'name="key" value="([0-9a-f]{32})"', page.text)
    wrong = door.fill_in(key=key, text=" ", product_id="<C&1>")
    assert wrong.status_code == 422
    assert 'role="alert"' in wrong.text
    assert 'value="&lt;C&amp;1&gt;"' in wrong.text
    for _ in range(2):
        done = door.fill_in(key=key, rating="5", text="Grüße\r\n2", product_id="85123A")
        assert (done.status_code, "Thank you" in done.text, key in done.text) == (200, True, True)
    ((_, _, value),) = door.sent.records
    event = decode(CustomerFeedback, value or b"")
    assert (event.event_id, event.rating, event.text, event.channel) == (key, 5, "Grüße\n2", "form")


def test_a_customer_number_is_taken_with_the_token_of_the_shops_link_only() -> None:
    door = Door()
    token = customer_token(TOKEN.encode(), "C1")
    for stranger in ({}, {"customer_token": "x"}, {"customer_token": customer_token(TOKEN.encode(), "C2")}):
        rejected = door.fill_in(key=form_key(1), rating="1", customer_id="C1", **stranger)
        assert rejected.status_code == 403
        assert 'name="customer_id"' not in rejected.text
        assert 'name="customer_id"' not in door.client.get("/", params={"customer_id": "C1"} | stranger).text
    assert door.sent.records == []
    page = door.client.get("/", params={"customer_id": "C1", "customer_token": token}).text
    assert f'name="customer_token" value="{token}"' in page
    assert door.fill_in(key=form_key(1), rating="5", customer_id="C1", customer_token=token).status_code == 200
    assert door.sent.records[0][1] == b"C1"


def test_the_form_takes_no_key_that_a_program_may_use() -> None:
    door = Door()
    for key in ("order-17-review", "A" * 32, form_key(1) + "0", ""):
        rejected = door.fill_in(key=key, rating="1", text="Keep me")
        assert (rejected.status_code, "Keep me" in rejected.text) == (400, True)
        # What is shown again can be sent.
        (new,) = re.findall(r'name="key" value="([^"]*)"', rejected.text)
        assert door.fill_in(key=new, rating="1").status_code == 200
    assert door.post({"rating": 5}, Idempotency_Key="order-17-review").status_code == 202


def test_a_limit_counts_by_the_address_that_trusted_proxies_name() -> None:
    def statuses(*proxies: str) -> list[int]:
        door = Door(feedback_rate=1, feedback_proxies=proxies)
        door.client = TestClient(door.client.app, client=("127.0.0.1", 50_000))
        return [
            door.client.post(
                "/", data={"key": form_key(number), "rating": "5"}, headers={"X-Forwarded-For": f"198.51.100.{number}"}
            ).status_code
            for number in range(12)
        ]

    assert statuses() == [200] * 10 + [429] * 2, "this proxy is not configured"
    assert statuses("127.0.0.1") == [200] * 12


def test_the_form_keeps_its_text_without_a_broker_and_the_trap_catches_programs() -> None:
    door = Door()
    door.sent.away = True
    away = door.fill_in(key=form_key(1), rating="5", text="Keep me")
    assert (away.status_code, away.headers["retry-after"]) == (503, "5")
    assert "Keep me" in away.text
    assert f'name="key" value="{form_key(1)}"' in away.text
    door.sent.away = False
    assert door.fill_in(key=form_key(2), rating="5", website="http://spam").status_code == 200
    assert door.sent.records == []


def test_too_many_requests_are_rejected_with_the_time_to_wait() -> None:
    door = Door(feedback_rate=1, feedback_api_rate=1)
    answers = [door.fill_in(key=form_key(n), rating="5") for n in range(12)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    assert [door.post({"rating": 1}).status_code for _ in range(3)] == [202, 202, 429]


@given(st.lists(st.floats(0, 3), max_size=60))
def test_no_more_pass_than_the_rate_and_the_burst(pauses: list[float]) -> None:
    now = [0.0]
    limit, passed = RateLimit(2.0, 3, lambda: now[0]), 0
    for pause in pauses:
        now[0] += pause
        passed += limit.wait("caller") == 0.0
        assert passed <= 3 + 2.0 * now[0] + 1e-6


DESCRIPTION = openapi("1")
DOOR = Door()


def described(schema: dict[str, Any]) -> st.SearchStrategy[Any]:  # noqa: C901, PLR0911, PLR0912  a case for each kind
    """Values that a schema of the description allows: the part of JSON Schema that it uses."""
    if "$ref" in schema:
        return described(DESCRIPTION["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return st.one_of([described(each) for each in schema["anyOf"]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind: str = schema["type"]
    match kind:
        case "object":
            fields = {name: described(field) for name, field in schema["properties"].items()}
            required = {name: fields.pop(name) for name in schema.get("required", [])}
            return st.fixed_dictionaries(required, optional=fields)
        case "array":
            return st.lists(described(schema["items"]), max_size=3)
        case "string" if "pattern" in schema:
            return st.from_regex(schema["pattern"])
        case "string" if schema.get("format") == "date-time":
            return st.datetimes(timezones=st.just(UTC)).map(lambda time: time.isoformat())
        case "string":
            return st.text(min_size=schema.get("minLength", 0), max_size=min(schema.get("maxLength", 30), 30))
        case "integer":
            return st.integers(schema.get("minimum"), schema.get("maximum"))
        case "number":
            return st.floats(schema.get("minimum"), schema.get("maximum"), allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case _:
            raise AssertionError(f"the description holds a {schema}")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def _requests() -> st.SearchStrategy[tuple[str, Any]]:
    """A path of the description, with a body that it allows or one that it may not."""

    def of(path: str) -> st.SearchStrategy[tuple[str, Any]]:
        schema = DESCRIPTION["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        return st.tuples(st.just(path), described(schema) | ANYTHING)

    return st.sampled_from(sorted(DESCRIPTION["paths"])).flatmap(of)


@hypothesis.settings(
    max_examples=150, suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.filter_too_much]
)
@given(_requests())
def test_every_request_that_the_description_allows_is_answered_as_described(request: tuple[str, Any]) -> None:
    path, body = request
    before = len(DOOR.sent.records)
    content = json.dumps(body).encode(errors="surrogatepass")
    answer = DOOR.post(content, path)
    (media_type,) = DESCRIPTION["paths"][path]["post"]["responses"][str(answer.status_code)]["content"]
    assert answer.headers["content-type"] == media_type
    assert answer.status_code in (202, 400, 422)
    if answer.status_code == 202:
        assert answer.json()["topic"] == (path.rpartition("/")[2] if "events" in path else "customer_feedback")
        for topic, _, value in DOOR.sent.records[before:]:
            contract = TOPICS[topic].contract
            assert contract is not None
            if value is not None:
                decode(contract, value)
    else:
        assert len(DOOR.sent.records) == before


@given(st.binary(max_size=300))
def test_a_body_of_any_bytes_is_answered(body: bytes) -> None:
    assert DOOR.post(body).status_code in (202, 400, 422)
    assert DOOR.client.post(
        "/", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
    ).status_code in (
        200,
        400,
        422,
        429,
    )


def test_the_description_names_every_input_topic_and_is_served() -> None:
    served = DOOR.client.get("/openapi.json").json()
    assert served["openapi"].startswith("3.1")
    assert {path.rpartition("/")[2] for path in served["paths"]} == {"feedback", *INPUT_TOPICS}
    assert DOOR.client.get("/health").json() == {"status": "ok"}
    assert DOOR.client.get("/nothing").status_code == 404
    assert DOOR.client.get("/api/feedback").status_code == 405


def test_the_token_is_made_once_or_read_from_a_file(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    assert len(base64.urlsafe_b64decode(token_of(settings) + "=")) == 32
    assert token_of(settings) == token_of(settings)
    own = tmp_path / "token"
    own.write_text("secret\n")
    assert token_of(Settings(home=tmp_path, feedback_token_file=own)) == "secret"


def test_keys_are_forgotten_one_by_one() -> None:
    seen, now = Seen(remembered=3), datetime(2026, 1, 1, tzinfo=UTC)
    records = [feedback(b'{"rating": 1}', f"k{n}", now + timedelta(seconds=n)) for n in range(5)]
    for record in records:
        seen.put(record, acknowledged=True)
    assert [seen.get(record) is not None for record in records] == [False, False, True, True, True]


def test_the_memory_of_keys_is_full_at_its_bound_and_grows_no_further() -> None:
    remembered, now = 5_000, datetime(2026, 1, 1, tzinfo=UTC)

    def numbered(turn: int, number: int) -> Record:
        return feedback(b'{"rating": 4}', f"{turn}-{number}", now + timedelta(microseconds=number))

    # What threads of other tests take meanwhile does not count.
    here = [tracemalloc.Filter(True, file) for file in (__file__, inspect.getfile(Seen))]
    tracemalloc.start()
    try:
        seen, taken = Seen(remembered), list[int]()
        for turn in range(4):
            for number in range(remembered):
                record = numbered(turn, number)
                seen.put(record, acknowledged=False)
                seen.put(record, acknowledged=True)
            assert len(seen) == remembered
            traces = tracemalloc.take_snapshot().filter_traces(here)
            taken.append(sum(trace.size for trace in traces.traces))
    finally:
        tracemalloc.stop()
    # The first turn fills it; in the second its table makes room for keys that come as others go.
    assert max(taken[1:]) < 1.01 * taken[1]
    assert 50 < taken[-1] / remembered < 250
    record = numbered(3, remembered - 1)
    last = seen.get(record)
    assert last is not None
    assert (last.acknowledged, last.event_time) == (True, record.event.event_time)
