"""Tables of a processor's state."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.streaming.processors.registry import all_processors
from headrace.streaming.runtime.processing.processor import Processor
from headrace.streaming.runtime.processing.store import View
from headrace.streaming.runtime.processing.stream_time import StreamTime
from headrace.streaming.runtime.processing.tables import Table, tables_of
from tests.unit.processing.empty_store import EmptyStore

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Pair(msgspec.Struct, array_like=True):
    """A value."""

    name: str
    number: int


PAIRS, RAW = Table("pairs", Pair, "a pair"), Table("raw", bytes, "bytes", timer=timedelta(minutes=5))


@given(st.lists(st.tuples(st.binary(max_size=3), st.one_of(st.none(), st.integers(0, 9)), st.booleans()), max_size=30))
def test_a_table_holds_what_was_put_last_across_batches_and_beside_others(
    steps: list[tuple[bytes, int | None, bool]],
) -> None:
    view, held = View(EmptyStore()), dict[bytes, Pair]()
    RAW.of(view).put(b"", b"\xff")
    for key, number, is_new_batch in steps:
        view = View(view) if is_new_batch else view
        pairs = PAIRS.of(view)
        if number is None:
            pairs.delete(key)
            held.pop(key, None)
        elif number % 2:
            pairs.put(key, Pair("odd", number))
            held[key] = Pair("odd", number)
        else:
            pairs.put_all({key: Pair("even", number)})
            held[key] = Pair("even", number)
        assert (pairs.get(key), key in pairs) == (held.get(key), key in held)
    pairs = PAIRS.of(view)
    for start in (b"", b"\x00", b"\xff", b"\xff\xff", b"a"):
        assert list(pairs.scan(start)) == sorted((key, value) for key, value in held.items() if key.startswith(start))
    assert list(RAW.of(view).scan(b"")) == [(b"", b"\xff")]


@pytest.mark.parametrize("name", all_processors())
def test_the_tables_of_a_processor_do_not_share_entries(name: str) -> None:
    processor = all_processors()[name]()
    assert len({table.prefix for table in tables_of(processor)}) == len(tables_of(processor)) > 0


@pytest.mark.parametrize(("first", "second"), [("pairs", "parts"), ("times", "pairs"), ("pairs", "windows")])
def test_tables_that_would_share_entries_are_rejected(first: str, second: str) -> None:
    class Clashing:
        """A processor."""

        name: ClassVar[str] = "clashing"
        one: ClassVar = Table(first, bytes, "")
        other: ClassVar = Table(second, bytes, "")

    with pytest.raises(ValueError, match="begin with the same letter"):
        tables_of(cast("Processor", Clashing()))


def test_a_timer_is_due_for_its_entry_once_stream_time_has_passed_it() -> None:
    view = View(EmptyStore())
    first = StreamTime(view, [START], [RAW])
    assert list(first.advance(START)) == []
    first.set_timer(RAW, b"later")
    first.set_timer(RAW, b"\xff", since=START - timedelta(minutes=1))
    first.save()
    times = [START + timedelta(minutes=minutes) for minutes in (3, 4, 5)]
    second = StreamTime(view, times, [RAW])
    due: list[Any] = [list(second.advance(time)) for time in times]
    assert due == [[], [(RAW, b"\xff")], [(RAW, b"later")]]
    with pytest.raises(ValueError, match="declares no timer"):
        second.set_timer(PAIRS, b"")
