"""Records of earlier versions of a contract: all readers make the same record of them, or refuse them alike."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from headrace.contracts.decoding import InvalidRecord, decode, decode_record, encode
from headrace.contracts.types import Event
from headrace.contracts.versions import VERSION_HEADER, Versions, version_of, versioned, versions_of
from headrace.streaming.landing.byte_column import ByteColumn
from headrace.streaming.landing.upcasting import decode_versions
from tests.versioned import FIRST, SECOND, THIRD, Reading, doubled, headers


def test_a_record_without_a_version_has_the_first_and_is_upcast_step_by_step() -> None:
    event = decode_record(Reading, FIRST, None)
    assert (event.place, event.level, event.unit, event.price) == ("A", 8, "m", "3")
    assert event.event_time == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert decode_record(Reading, SECOND, headers(2)).level == 8
    assert decode_record(Reading, THIRD, headers(3)).level == 4


@pytest.mark.parametrize(
    ("value", "given", "category"),
    [
        (THIRD, headers(4), "newer version"),
        (THIRD, [(VERSION_HEADER, b"x")], "unknown version"),
        (THIRD, [(VERSION_HEADER, None)], "unknown version"),
        (THIRD, [(VERSION_HEADER, b"0")], "unknown version"),
        (b'{"level": "secret"}', headers(2), "invalid field"),
        (b"{}", headers(2), "not upcast"),
        (b"[1]", headers(2), "invalid field"),
        (b'{"level": ', headers(1), "malformed JSON"),
        (b'{"\xff": 1}', headers(1), "not UTF-8"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, headers(1), "too deep"),
        (b"{" + b" " * 1_000_000 + b"}", headers(1), "too long"),
    ],
)
def test_a_record_that_cannot_be_upcast_is_refused_with_its_category(value: bytes, given: Any, category: str) -> None:
    with pytest.raises(InvalidRecord) as refused:
        decode_record(Reading, value, given)
    assert refused.value.category == category
    assert "secret" not in str(refused.value)


def test_what_an_old_record_has_in_unknown_fields_does_not_count() -> None:
    odd = FIRST[:-1] + b',"unknown":1e999,"also":{"a":[]}}'
    assert decode_record(Reading, odd, None) == decode_record(Reading, FIRST, None)


def test_a_newer_version_names_the_remedy() -> None:
    with pytest.raises(InvalidRecord, match="update this program, then replay the record"):
        decode_record(Reading, THIRD, headers(4))


def test_of_several_versions_in_the_headers_the_last_counts() -> None:
    assert version_of([*headers(1), ("other", None), *headers(3)]) == 3
    assert version_of(None) == version_of([]) == 1


@pytest.mark.parametrize("given", [(2, {}), (3, {1: doubled}), (1, {1: doubled}), (0, {}), (3, {0: doubled})])
def test_a_version_without_its_upcaster_is_refused_when_declared(given: tuple[int, Any]) -> None:
    with pytest.raises(ValueError, match="version"):
        Versions(*given)


def test_versions_before_the_first_upcaster_are_no_longer_read() -> None:
    @versioned(3, {2: doubled})
    class Late(Reading, kw_only=True, frozen=True):
        """Reads version 2 and later."""

    assert decode_record(Late, SECOND, headers(2)).level == 8
    with pytest.raises(InvalidRecord, match="version 1 is no longer read: the contract reads 2 and later"):
        decode_record(Late, FIRST, None)


def test_only_a_version_above_the_first_is_written_into_headers() -> None:
    assert versions_of(Reading).header == [(VERSION_HEADER, b"3")]
    assert versions_of(Event).header == []


def test_the_lander_agrees_with_the_decoder_on_any_mixture_of_versions() -> None:
    records: list[tuple[bytes, Any]] = [
        (THIRD, headers(3)),
        (FIRST, None),
        (SECOND, headers(2)),
        (b"{}", headers(2)),
        (b"no json", headers(3)),
        (THIRD, [*headers(3), ("trace", b"1")]),
        (THIRD, headers(4)),
        (FIRST.replace(b'"A"', b'"B"'), [("trace", b"1")]),
    ]
    for taken in (records, records[:1], records[1:2], records[6:7], records[4:5], records[::-1]):
        decoded = decode_versions(Reading, ByteColumn.of([value for value, _ in taken], b"\n"), [h for _, h in taken])
        rows = decoded.events.rows(named=True)
        at = range(len(taken)) if decoded.indices is None else decoded.indices.tolist()
        found: dict[int, Any] = {
            place: (row["place"], row["level"], row["unit"]) for place, row in zip(at, rows, strict=True)
        }
        found |= {each.index: each.reason for each in decoded.offenders}
        assert [found[place] for place in range(len(taken))] == [_verdict(*record) for record in taken]


def _verdict(value: bytes, given: Any) -> Any:
    try:
        event = decode_record(Reading, value, given)
    except InvalidRecord as refused:
        return str(refused)
    return event.place, event.level, event.unit


def test_records_of_the_current_version_stay_on_the_quick_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("went through the strict decoder")

    monkeypatch.setattr("headrace.streaming.landing.columnar.decode", never)
    monkeypatch.setattr("headrace.streaming.landing.upcasting.decode_record", never)
    values = ByteColumn.of([THIRD, THIRD], b"\n")
    assert decode_versions(Reading, values, [headers(3), headers(3)]).events.height == 2


def test_an_encoded_event_is_of_the_current_version() -> None:
    event = decode_record(Reading, FIRST, None)
    assert decode(Reading, encode(event)) == event
    assert msgspec.json.decode(encode(event))["place"] == "A"
