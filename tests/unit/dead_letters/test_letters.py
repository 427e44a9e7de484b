"""How dead letters of any writer are read, and which of them may be replayed."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from headrace.contracts import dead_letters as headers
from headrace.contracts.errors import Terminal
from headrace.contracts.topics import DEAD_LETTER_TOPICS
from headrace.streaming.runtime.dead_letters.letters import Criteria, Letter, letter_of, topic_of
from headrace.streaming.runtime.dead_letters.replay import NOTES, refusal, replayed_headers
from headrace.terminal import cell, printable
from tests.corpus import CASES, valid_order

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Stored:
    """A record of a dead-letter topic."""

    def __init__(self, value: bytes | None, key: bytes | None, named: dict[str, str]) -> None:
        self._value, self._key, self._headers = value, key, [(name, text.encode()) for name, text in named.items()]

    def offset(self) -> int:
        return 17

    def timestamp(self) -> tuple[int, int]:
        return 1, int(AT.timestamp() * 1000)

    def key(self) -> bytes | None:
        return self._key

    def value(self) -> bytes | None:
        return self._value

    def headers(self) -> list[tuple[str, bytes]] | None:
        return self._headers or None


BY_PROCESSOR = {
    "traceparent": "00-1",
    headers.REASON: "too long",
    headers.STAGE: "processor:order-extractor",
    headers.TOPIC: "orders",
    headers.PARTITION: "2",
    headers.OFFSET: "1234",
}
BY_SOURCE = {
    headers.REASON: "not in Common or Combined Log Format",
    headers.STAGE: "source:access-log",
    headers.TOPIC: "orders",
    headers.POSITION: "apache.log:88",
}
BY_CONNECT = {
    headers.CONNECT_TOPIC: "orders",
    headers.CONNECT_PARTITION: "3",
    headers.CONNECT_OFFSET: "55",
    headers.CONNECT_CONNECTOR: "behavior-to-postgres",
    headers.CONNECT_STAGE: "VALUE_CONVERTER",
    headers.CONNECT_EXCEPTION: "org.apache.kafka.connect.errors.DataException",
    headers.CONNECT_MESSAGE: "Unrecognized token 'a secret'",
}


def letter(
    value: bytes | None, named: dict[str, str] = BY_PROCESSOR, key: bytes | None = b"k", topic: str = "orders"
) -> Letter:
    return letter_of(topic, cast("Any", Stored(value, key, named)))


@pytest.mark.parametrize(
    ("named", "stage", "reason", "origin"),
    [
        (BY_PROCESSOR, "processor:order-extractor", "too long", "orders/2/1234"),
        (BY_SOURCE, "source:access-log", "not in Common or Combined Log Format", "apache.log:88"),
        (BY_CONNECT, "connect:behavior-to-postgres", "DataException in VALUE_CONVERTER", "orders/3/55"),
        ({"odd": ""}, "?", "?", "?/?/?"),
    ],
)
def test_letters_name_the_rejecting_stage_the_reason_and_the_origin(
    named: dict[str, str], stage: str, reason: str, origin: str
) -> None:
    found = letter(b"x", named)
    assert (found.stage, found.reason, found.origin) == (stage, reason, origin)
    assert (found.place, found.at, found.size) == ("orders.dlq/0/17", AT, 1)


def test_the_reason_leaves_out_payload_that_connect_quotes() -> None:
    found = letter(b"x", BY_CONNECT)
    assert "secret" not in found.reason
    assert found.detail == "Unrecognized token 'a secret'"


def test_a_letter_that_is_valid_by_the_current_contract_may_be_replayed() -> None:
    valid = [case.value for case in CASES if case.refused_as is None]
    assert len(valid) > 18
    assert [refusal(letter(value)) for value in valid] == [None] * len(valid)


@pytest.mark.parametrize(
    ("rejected", "why"),
    [
        (letter(b"{"), "still invalid"),
        (letter(None), "no value"),
        (letter(valid_order(1), key=b"k" * 20_000), "still invalid: key longer"),
        (letter(valid_order(1), BY_SOURCE | {headers.TRUNCATED_FROM_BYTES: "9000000"}), "cut short"),
        (letter(b"{}", key=None, topic="customers"), "no key"),
    ],
)
def test_a_letter_that_would_be_rejected_again_or_is_cut_is_not_replayed(rejected: Letter, why: str) -> None:
    found = refusal(rejected)
    assert found is not None
    assert found.startswith(why)


@pytest.mark.parametrize("named", [BY_PROCESSOR, BY_CONNECT | {"traceparent": "00-1"}])
def test_a_replayed_record_has_its_own_headers_and_says_where_it_comes_from(named: dict[str, str]) -> None:
    found = letter(b"x", named)
    assert replayed_headers(found) == [
        ("traceparent", b"00-1"),
        (headers.REPLAYED_FROM, b"orders.dlq/0/17"),
        (headers.ORIGIN, found.origin.encode()),
    ]


def test_that_a_letter_was_replayed_is_known_for_longer_than_the_letter_is_kept() -> None:
    assert all(NOTES.retention_ms >= 2 * topic.retention_ms for topic in DEAD_LETTER_TOPICS)


def test_a_dead_letter_topic_names_its_topic_and_an_unknown_one_gets_a_remedy() -> None:
    assert topic_of("orders.dlq") == topic_of("orders") == "orders"
    with pytest.raises(Terminal, match=r"There are: .*orders, web_logs"):
        topic_of("order")


def test_letters_are_chosen_by_reason_stage_time_and_offset() -> None:
    found = letter(b"x")
    later = AT.replace(minute=1)
    taken = [Criteria(), Criteria("long", "extractor", AT, later, frozenset({17})), Criteria(since=AT)]
    assert all(criteria.accept(found) for criteria in taken)
    left = [
        Criteria(reason="short"),
        Criteria(stage="scorer"),
        Criteria(since=later),
        Criteria(until=AT),
        Criteria(offsets=frozenset({16, 18})),
    ]
    assert not any(criteria.accept(found) for criteria in left)


def test_shown_letters_cannot_control_the_terminal() -> None:
    assert printable("a\x1b[31mred\x07\r\nü") == "a\\x1b[31mred\\x07\\r\nü"
    assert cell("[/bold] closes nothing") == r"\[/bold] closes nothing"


@pytest.mark.parametrize("milliseconds", [-(2**63), -1, 2**63 - 1])
def test_a_letter_with_any_record_time_is_shown(monkeypatch: pytest.MonkeyPatch, milliseconds: int) -> None:
    monkeypatch.setattr(Stored, "timestamp", lambda _: (1, milliseconds))
    letter = letter_of("orders", Stored(b"x", None, {}))  # pyright: ignore[reportArgumentType]
    assert letter.at.year in (1970, 9999)
