"""The strict decoder's verdict on the shared corpus."""

import pytest

from contracts.decoding import InvalidRecord, decode, encode
from contracts.ecommerce import Order
from tests.corpus import CASES, Case


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


def test_the_reason_never_quotes_the_payload() -> None:
    secret = b"s3cret"
    for case in (case for case in CASES if case.refused_as):
        with pytest.raises(InvalidRecord) as refused:
            decode(Order, case.value.replace(b"fax", secret).replace(b"17850", secret))
        assert secret.decode() not in str(refused.value)
