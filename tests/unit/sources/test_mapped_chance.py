"""Files by chance: all that stands in them is an event, a rejection, ignored, or one error with a remedy."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.contracts.errors import Terminal
from headrace.contracts.topics import TOPICS
from headrace.streaming.sources.mapped.guessing import guess
from headrace.streaming.sources.mapped.mapping import FileKeys
from tests.unit.sources.mapped_orders import mapped, orders_csv

NUMBERS = ["1", "2", "4.50", "4,50", "1.234,5", "-2", "1e400", "9" * 40, "17850.0", "4E+12", "\uff11\uff12", "45000"]
TIMES = ["2026-03-01", "31/12/2025", "01/02/2026", "12:00 CET", "2026-03-01 10:00+99:00"]
TEXTS = ["", "nan", "Total", "EUR", "€", "x@y.com", '"', '""', '"a\n', "\r", "\0", "=1+1", ";"]
CELLS = st.sampled_from(NUMBERS + TIMES + TEXTS)
ROWS = st.lists(st.lists(CELLS, max_size=9).map(",".join), max_size=6)
BYTES = st.binary(max_size=40)


@given(ROWS, BYTES, st.sampled_from([b"", b"[", b"{", b"\xff\xfe", b"PK\x03\x04", b"PAR1", b"\xef\xbb\xbf"]))
@settings(max_examples=60, deadline=None)
def test_any_file_ends_in_counts_or_an_error_with_a_remedy(rows: list[str], noise: bytes, begin: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        for content in (orders_csv(*rows), begin + noise, orders_csv(*rows) + noise, begin + orders_csv(*rows)):
            path.write_bytes(content)
            for together in (True, False):
                assert _ends(lambda path=path, together=together: mapped(path, rows__together=together))
            assert _ends(lambda path=path: guess(path, TOPICS["orders"], FileKeys()).as_toml("file"))


def _ends(read: Callable[[], object]) -> bool:
    try:
        read()
    except Terminal as error:
        return bool(error.remedy)
    return True


@given(st.lists(st.lists(CELLS.filter(lambda cell: not set(cell) & set('"\r\n')), min_size=7, max_size=7), max_size=8))
@settings(max_examples=60, deadline=None)
def test_every_row_of_a_file_is_accounted_for_once(rows: list[list[str]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(orders_csv(*map(",".join, rows)))
        found = mapped(path, rows__group_by=[], rows__together=True)
        assert sum(found.counts) == len(rows)
