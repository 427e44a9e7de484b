"""Where a processor resumes, and the errors when it cannot."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.cases.ecommerce.processors.order_extractor import OrderExtractor
from headrace.contracts.errors import Terminal
from headrace.streaming.runtime.processing import ledger
from headrace.streaming.runtime.processing.ledger import Ledger
from headrace.streaming.runtime.processing.resume import ADDED_LATER, Found, ledger_of, moved_share

TOPIC_ID = uuid4()
KEY = ("web_logs", 1)


def book(next_offset: int = 50, topic_id: UUID = TOPIC_ID, state_version: int = OrderExtractor.state_version) -> bytes:
    return ledger.encode(Ledger(topic_id, 0, next_offset, state_version=state_version))


def test_a_partition_that_was_never_processed_begins_at_what_is_retained() -> None:
    found = ledger_of(OrderExtractor(), KEY, None, Found(TOPIC_ID, 7, None))
    assert (found.first, found.next, found.notes) == (7, 7, {})
    assert ledger_of(OrderExtractor(), ("web_logs", 6), None, Found(TOPIC_ID, 0, None)).notes == {ADDED_LATER: 1}


def test_a_partition_resumes_at_its_ledger() -> None:
    assert ledger_of(OrderExtractor(), KEY, book(), Found(TOPIC_ID, 50, 50)).next == 50


@pytest.mark.parametrize(
    ("raw", "found", "sentence"),
    [
        (None, Found(TOPIC_ID, 0, 50), "web_logs-1 to offset 50, and its changelog .* was deleted or emptied"),
        (
            book(),
            Found(TOPIC_ID, 60, 50),
            "Offsets 50 to 59 of web_logs-1 expired before order-extractor had read them",
        ),
        (book(), Found(uuid4(), 0, None), "of an earlier topic web_logs"),
        (book(state_version=9), Found(TOPIC_ID, 0, 50), "of another version"),
    ],
)
def test_what_cannot_be_resumed_has_its_own_sentence_and_a_remedy(
    raw: bytes | None, found: Found, sentence: str
) -> None:
    with pytest.raises(Terminal, match=sentence) as stopped:
        ledger_of(OrderExtractor(), KEY, raw, found)
    assert "headrace processor reset order-extractor" in stopped.value.remedy


@given(st.integers(1, 12), st.integers(1, 12))
def test_the_share_of_moved_keys_is_that_of_many_hashes(before: int, now: int) -> None:
    hashes = range(27_720)  # a multiple of all numbers up to 12
    moved = sum(each % before != each % now for each in hashes)
    assert moved_share(before, now) == pytest.approx(moved / len(hashes))
