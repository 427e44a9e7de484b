"""Packed strings are unpacked unchanged; nulls and empty strings are distinguished."""

from hypothesis import given
from hypothesis import strategies as st

from headrace.streaming.landing.byte_column import ByteColumn

ITEMS = st.lists(st.none() | st.binary(max_size=5), max_size=20)


@given(ITEMS, st.sampled_from([b"", b"\n"]))
def test_every_string_is_unpacked_as_it_was_packed(items: list[bytes | None], separator: bytes) -> None:
    column = ByteColumn.of(items, separator)
    assert column.all() == items
    assert column.is_null.tolist() == [item is None for item in items]
    assert column.without_nulls().data == separator.join(item for item in items if item is not None)


@given(ITEMS)
def test_a_column_holds_the_same_strings(items: list[bytes | None]) -> None:
    assert ByteColumn.of(items).series().to_list() == items


@given(st.lists(ITEMS, min_size=1, max_size=4), st.sampled_from([b"", b"\n"]))
def test_pieces_put_together_hold_what_each_held(pieces: list[list[bytes | None]], separator: bytes) -> None:
    pieces = [piece for piece in pieces if piece] or [[None]]
    whole = ByteColumn.concat([ByteColumn.of(piece, separator) for piece in pieces])
    assert whole.all() == [item for piece in pieces for item in piece]
