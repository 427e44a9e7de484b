"""The lander's columnar decoder: the same verdicts and values as the strict decoder for a record in any batch."""

from decimal import Decimal
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cases.ecommerce.topics.customer_behavior import CustomerBehavior
from headrace.cases.ecommerce.topics.customers import Customer
from headrace.cases.ecommerce.topics.orders import Order
from headrace.cases.ecommerce.topics.web_logs import WebLog
from headrace.contracts.decoding import InvalidRecord, decode
from headrace.contracts.types import Event
from headrace.streaming.landing.byte_column import ByteColumn
from headrace.streaming.landing.columnar import decode_batch
from tests.corpus import CASES, GUESTS, NO_GUESTS, VALID, Case, valid_order


def strictly(contract: type[Event], value: bytes) -> dict[str, Any] | str:
    """What the strict decoder makes of a value: the row it should land as, or the category of the refusal."""
    try:
        return _row(msgspec.structs.asdict(decode(contract, value)))
    except InvalidRecord as refused:
        return refused.category


def _row(event: dict[str, Any]) -> dict[str, Any]:
    row = dict(event)
    for name in ("total", "unit_price", "order_total", "monetary_value"):
        if row.get(name) is not None:
            row[name] = Decimal(row[name])
    if "lines" in row:
        lines = map(msgspec.structs.asdict, row["lines"])
        row["lines"] = [{**line, "unit_price": Decimal(line["unit_price"])} for line in lines]
    return row


def by_column(contract: type[Event], values: list[bytes]) -> list[dict[str, Any] | str]:
    """What the columnar decoder makes of each value of a batch."""
    decoded = decode_batch(contract, ByteColumn.of(values, b"\n"))
    verdicts: dict[int, dict[str, Any] | str] = {o.index: o.category for o in decoded.offenders}
    indices = range(len(values)) if decoded.indices is None else decoded.indices.tolist()
    verdicts |= dict(zip(indices, decoded.events.to_dicts(), strict=True))
    return [verdicts[index] for index in range(len(values))]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_both_decoders_agree_on_a_record_among_valid_ones(case: Case) -> None:
    values = [valid_order(1), case.value, valid_order(2)]
    assert by_column(Order, values) == [strictly(Order, value) for value in values]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_both_decoders_agree_on_a_record_alone(case: Case) -> None:
    assert by_column(Order, [case.value]) == [strictly(Order, case.value)]


def test_both_decoders_agree_on_the_whole_corpus_at_once() -> None:
    values = [case.value for case in CASES]
    assert by_column(Order, values) == [strictly(Order, value) for value in values]


def test_a_good_batch_takes_the_quick_path() -> None:
    assert decode_batch(Order, ByteColumn.of([valid_order(number) for number in range(10)], b"\n")).indices is None


def test_guests_land_as_guests_on_the_quick_path() -> None:
    values = [orjson.dumps({**VALID, "customer_id": word}) for word in (*GUESTS, *NO_GUESTS)]
    plain = [value for value in values if b"\\\\" not in value and b"\\t" not in value]
    decoded = decode_batch(Order, ByteColumn.of(plain, b"\n"))
    assert decoded.indices is None
    assert decoded.events["customer_id"].null_count() == len(GUESTS) - 2
    assert by_column(Order, plain) == [strictly(Order, value) for value in plain]
    row = {"event_id": "c", "event_time": "2026-11-01T12:00:00Z", "source": "test"}
    rows = [orjson.dumps({**row, "customer_id": word}) for word in (*GUESTS, *NO_GUESTS)]
    assert by_column(Customer, rows) == [strictly(Customer, value) for value in rows]


def test_a_field_that_occurs_for_the_first_time_is_landed() -> None:
    plain = {"event_id": "a", "event_time": "2026-01-01T00:00:00Z", "source": "s", "visitor_id": "v", "client_id": "c"}
    plain |= {"status": 200, "device": "other", "is_bot": False}
    values = [orjson.dumps(plain), orjson.dumps({**plain, "sku": "85123A", "unit_price": "2.55"})]
    for batch in (values[:1], values, values[:1]):
        assert by_column(WebLog, batch) == [strictly(WebLog, value) for value in batch]


@pytest.mark.parametrize(
    "monetary_value", ["9" * 34 + ".9999", "-" + "9" * 34, "1" + "0" * 34, "-0", "0.00001", "NaN", "1E3"]
)
def test_both_decoders_agree_on_sums_of_amounts(monetary_value: str) -> None:
    sent = {"event_id": "a", "event_time": "2026-01-01T00:00:00Z", "source": "s", "customer_id": "C", "orders": 1}
    sent |= {"feature_cutoff": "2026-01-01T00:00:00Z", "returns": 0, "segment": "new", "repurchase_probability": 0.5}
    sent |= {"model_version": "1", "scored_at": "2026-01-01T00:00:00Z", "monetary_value": "1.5000"}
    values = [orjson.dumps(sent), orjson.dumps(sent | {"monetary_value": monetary_value})]
    assert by_column(CustomerBehavior, values) == [strictly(CustomerBehavior, value) for value in values]


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["", "2.5", "web"]),
)
_ANYTHING = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner)
)


@given(name=st.sampled_from([*VALID, "unknown"]), value=_ANYTHING, twice=st.booleans(), ascii_only=st.booleans())
def test_both_decoders_agree_on_any_value_of_a_field(name: str, value: Any, twice: bool, ascii_only: bool) -> None:
    import json

    text = json.dumps({**VALID, name: value}, ensure_ascii=ascii_only)
    if twice:
        text = text[:-1] + f", {json.dumps(name)}: {json.dumps(value)}" + "}"
    odd = text.encode("utf-8", "surrogatepass")
    values = [valid_order(1), odd]
    assert by_column(Order, values) == [strictly(Order, item) for item in values]


@given(position=st.integers(0, 300), junk=st.binary(min_size=1, max_size=4), drop=st.integers(0, 3))
def test_both_decoders_agree_on_damaged_bytes(position: int, junk: bytes, drop: int) -> None:
    good = valid_order(1)
    odd = good[: position % len(good)] + junk + good[position % len(good) + drop :]
    values = [odd, valid_order(2)]
    assert by_column(Order, values) == [strictly(Order, item) for item in values]
