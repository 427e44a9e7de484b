"""Three decoders agree on every value: the strict decoder, the columnar decoder and Connect's converter."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headrace.cases.ecommerce.topics.customer_behavior import CustomerBehavior
from headrace.contracts.decoding import InvalidRecord, decode, encode
from headrace.contracts.fields import fields_of
from headrace.contracts.types import MONEY_SCALE, SUM_DIGITS
from headrace.streaming.landing.byte_column import ByteColumn
from headrace.streaming.landing.columnar import decode_batch
from tests.integration.behavior_values import BEHAVIOR, VALUES
from tests.integration.converter_verdicts import Converter, converter
from tests.odd_json import odd_objects

GOOD = encode(BEHAVIOR)
FIELDS = tuple(field.name for field in fields_of(CustomerBehavior))


@pytest.fixture(scope="module")
def connect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Converter]:
    folder: Path = tmp_path_factory.mktemp("converter")
    with converter(CustomerBehavior, folder) as started:
        yield started


def test_all_decoders_agree_on_the_values_that_are_known_to_be_odd(connect: Converter) -> None:
    assert_agreed(connect, [value for _, value in VALUES])


def test_all_decoders_agree_on_values_that_are_nearly_json(connect: Converter) -> None:
    assert_agreed(connect, list(odd_objects("integration", GOOD, FIELDS, 3_000)))


def test_connect_reads_only_the_current_version_of_a_contract(connect: Converter, tmp_path: Path) -> None:
    assert connect.rows([GOOD], "1") == connect.rows([GOOD]) != [None]
    assert connect.rows([GOOD], "2") == connect.rows([GOOD], "x") == [None]
    with converter(CustomerBehavior, tmp_path, version=2) as later:
        assert later.rows([GOOD], "2") == connect.rows([GOOD])
        assert later.rows([GOOD]) == later.rows([GOOD], "1") == later.rows([GOOD], "3") == [None]


def assert_agreed(connect: Converter, values: list[bytes]) -> None:
    """Assert that all decoders accept the same values, as the same rows."""
    strict = [strictly(value) for value in values]
    by_connect = [None if row is None else _row(row) for row in connect.rows(values)]
    batch = decode_batch(CustomerBehavior, ByteColumn.of(values, b"\n"))
    indices = range(len(values)) if batch.indices is None else batch.indices.tolist()
    by_column = dict(zip(indices, map(_row, batch.events.to_dicts()), strict=True))
    for place, (value, expected) in enumerate(zip(values, strict, strict=True)):
        assert by_connect[place] == expected, f"Connect: {value[:2_000]!r}"
        assert by_column.get(place) == expected, f"by column: {value[:2_000]!r}"
        if expected is not None:
            # Among valid values the columnar decoder uses its fast path.
            among = decode_batch(CustomerBehavior, ByteColumn.of([GOOD, value], b"\n")).events.to_dicts()
            assert _row(among[1]) == expected, f"by column, in good company: {value[:2_000]!r}"


def strictly(value: bytes) -> dict[str, Any] | None:
    """The row that the strict decoder makes of a value; None where it refuses it."""
    try:
        return _row(msgspec.structs.asdict(decode(CustomerBehavior, value)))
    except InvalidRecord:
        return None


def _row(event: dict[str, Any]) -> dict[str, Any]:
    """A row with the types of the contract: Connect has amounts and times as text."""
    row = dict(event)
    for field in fields_of(CustomerBehavior):
        value = row[field.name]
        if field.digits is not None and value is not None:
            with localcontext(prec=SUM_DIGITS):
                row[field.name] = Decimal(value).quantize(Decimal(1).scaleb(-MONEY_SCALE))
        elif field.kind == "time" and isinstance(value, str):
            row[field.name] = datetime.fromisoformat(value)
        elif field.kind == "number" and value is not None:
            assert type(value) is float
    return row
