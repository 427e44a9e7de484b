"""The strict decoder's verdict on the shared corpus."""

import orjson
import pytest

from headrace.cases.ecommerce.topics.customers import Customer
from headrace.cases.ecommerce.topics.orders import Order
from headrace.contracts.decoding import InvalidRecord, are_valid, decode, encode
from tests.corpus import CASES, GUESTS, NO_GUESTS, VALID, Case


@pytest.mark.parametrize("case", [case for case in CASES if case.refused_as is None], ids=lambda case: case.name)
def test_a_valid_record_survives_encoding_and_decoding(case: Case) -> None:
    order = decode(Order, case.value)
    assert decode(Order, encode(order)) == order


@pytest.mark.parametrize("case", [case for case in CASES if case.refused_as], ids=lambda case: case.name)
def test_an_invalid_record_is_refused_with_its_category(case: Case) -> None:
    with pytest.raises(InvalidRecord) as refused:
        decode(Order, case.value)
    assert refused.value.category == case.refused_as


def test_of_a_key_given_twice_the_last_counts() -> None:
    (case,) = (case for case in CASES if case.name.startswith("a key twice"))
    assert decode(Order, case.value).kind == "order"


def test_unknown_and_duplicate_keys_of_a_line_do_not_count() -> None:
    names = ("a key given twice in a line: the last counts", "an unknown field in a line")
    for case in (case for case in CASES if case.name in names):
        assert [line.quantity for line in decode(Order, case.value).lines][:1] == [6]


def test_the_reason_never_quotes_the_payload() -> None:
    secret = b"s3cret"
    for case in (case for case in CASES if case.refused_as):
        with pytest.raises(InvalidRecord) as refused:
            decode(Order, case.value.replace(b"fax", secret).replace(b"17850", secret))
        assert secret.decode() not in str(refused.value)


def test_a_placeholder_names_no_customer() -> None:
    def buyer(word: str) -> str | None:
        return decode(Order, orjson.dumps({**VALID, "customer_id": word})).customer_id

    assert [buyer(word) for word in GUESTS] == [None] * len(GUESTS)
    assert [buyer(word) for word in NO_GUESTS] == list(NO_GUESTS)
    row = {"event_id": "c", "event_time": "2026-11-01T12:00:00Z", "source": "test"}
    assert decode(Customer, orjson.dumps({**row, "customer_id": "nano"})).customer_id == "nano"
    for word in GUESTS:
        value = orjson.dumps({**row, "customer_id": word})
        with pytest.raises(InvalidRecord):
            decode(Customer, value)
        assert not are_valid(Customer, [value])
