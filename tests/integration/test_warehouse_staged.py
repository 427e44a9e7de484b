"""`core.sentiment`: each delivered record is loaded once, despite rebalances, redeliveries and crashes."""

import signal
import subprocess
import time
from uuid import uuid4

import psycopg
import pytest

from headrace.contracts.dead_letters import CONNECT_CONNECTOR, CONNECT_OFFSET, CONNECT_PARTITION
from headrace.contracts.delivery import STAGING
from headrace.contracts.settings import Settings
from headrace.contracts.topic import DEAD_LETTER_SUFFIX
from headrace.streaming.landing.apart import insert as insert_set_apart
from headrace.streaming.runtime.careful.reader import Unreadable
from headrace.warehouse.build import load, register
from headrace.warehouse.incremental.checks import unique_key
from headrace.warehouse.ingest.connect_staging import STAGED_TABLES, staged_accounts
from headrace.warehouse.ingest.rejections import landed_rejections
from headrace.warehouse.lake import Lake
from tests.integration.building import start_building
from tests.integration.delivered import deliver, prepare, sentiment
from tests.integration.landed import Landing
from tests.integration.samples import at

TABLE = "core.sentiment"
ALL = f"select list((event_id, label, _partition, _offset) order by event_id) from {TABLE}"


@pytest.fixture
def staging(fresh: Settings) -> Settings:
    prepare(fresh, STAGING)
    return fresh


def test_without_connect_the_table_is_there_and_empty(fresh: Settings) -> None:
    with Lake.open(fresh) as lake:
        result = load(lake, TABLE)
    assert (result.rows, result.inserted) == (0, 0)
    assert {name for name, _, about in result.columns if not about} == set()


def test_rows_are_taken_once_and_a_later_record_of_an_event_replaces_its_row(staging: Settings) -> None:
    deliver(staging, STAGING, [sentiment(1), sentiment(2)], first=0)
    deliver(staging, STAGING, [sentiment(3)], first=7, partition=1)
    with Lake.open(staging) as lake:
        assert (first := load(lake, TABLE)).inserted == 3
        assert load(lake, TABLE).snapshot == first.snapshot, "nothing new, nothing written"
        # The row moves from offset 0 to 4, beyond the watermark; offset 3 was a transaction's marker.
        deliver(staging, STAGING, [sentiment(4)], first=2)
        deliver(staging, STAGING, [sentiment(1, label=None, deleted=True)], first=4)
        again = load(lake, TABLE)
        assert (again.inserted, again.updated, again.rows) == (1, 1, 4)
        assert lake.value(ALL) == [
            ("sentiment-1", None, 0, 4),
            ("sentiment-2", "positive", 0, 1),
            ("sentiment-3", "positive", 1, 7),
            ("sentiment-4", "positive", 0, 2),
        ]
        assert unique_key(lake, STAGED_TABLES["core.sentiment"].table, "core.sentiment").passed


def test_records_delivered_again_change_nothing_and_older_ones_do_not_win(staging: Settings) -> None:
    deliver(staging, STAGING, [sentiment(1), sentiment(1, label="neutral")], first=0)
    with Lake.open(staging) as lake:
        load(lake, TABLE)
        # A sink that lost its offsets delivers all again; its first record is older than the row.
        deliver(staging, STAGING, [sentiment(1)], first=0)
        assert load(lake, TABLE).updated == 0
        deliver(staging, STAGING, [sentiment(1, label="neutral"), sentiment(2)], first=1)
        assert load(lake, TABLE).inserted == 1
        assert [row[:2] for row in lake.value(ALL)] == [("sentiment-1", "neutral"), ("sentiment-2", "positive")]


def test_a_recreated_topic_is_taken_from_its_own_beginning(staging: Settings) -> None:
    deliver(staging, STAGING, [sentiment(number) for number in range(5)], first=0)
    with Lake.open(staging) as lake:
        load(lake, TABLE)
        deliver(staging, STAGING, [sentiment(0, label="negative"), sentiment(9)], first=0, topic=uuid4())
        again = load(lake, TABLE)
        assert (again.inserted, again.updated, again.rows) == (1, 1, 6)


def test_an_event_of_another_time_replaces_the_row_of_its_id(staging: Settings) -> None:
    deliver(staging, STAGING, [sentiment(1), sentiment(2)], first=0)
    with Lake.open(staging) as lake:
        load(lake, TABLE)
        for offset, days in enumerate((400, 3, -70), 2):
            deliver(staging, STAGING, [sentiment(1, event_time=at(days=days))], first=offset)
        again = load(lake, TABLE)
        assert (again.inserted, again.updated, again.rows) == (0, 1, 2)
        assert [row[3] for row in lake.value(ALL)] == [4, 1]


def test_an_event_in_two_partitions_is_taken_whichever_was_delivered_last(staging: Settings) -> None:
    landing = Landing(staging)
    topic = landing.topic_id(STAGING.topic)
    for partition in (0, 1):
        landing.land(STAGING.topic, [sentiment(1), sentiment(1, label="neutral")], partition=partition)
    with Lake.open(staging) as lake:
        register(lake, STAGING.topic)
        for partition, label in ((1, "negative"), (0, "neutral")):
            deliver(staging, STAGING, [sentiment(1, label=label)], first=1, partition=partition, topic=topic)
            load(lake, TABLE)
            (account,) = staged_accounts(lake)
            assert (account.rows, account.missing, account.unexpected, account.pending) == (1, 0, 0, 0)


def test_the_reconciliation_counts_missing_stale_and_pending_rows(staging: Settings) -> None:
    landing = Landing(staging)
    topic = landing.topic_id(STAGING.topic)
    landing.land(STAGING.topic, [sentiment(1), sentiment(2), sentiment(2, label="neutral"), sentiment(3)])
    with Lake.open(staging) as lake:
        register(lake, STAGING.topic)
        # Event 1 was not delivered, of event 2 an older record; event 3 is on its way, event 9 did not land.
        deliver(staging, STAGING, [sentiment(2), sentiment(9)], first=1, topic=topic)
        load(lake, TABLE)
        (account,) = staged_accounts(lake)
        assert (account.rows, account.missing, account.unexpected, account.pending) == (2, 2, 1, 1)
        # A record that is delivered before it lands is neither.
        deliver(staging, STAGING, [sentiment(1), sentiment(2), sentiment(3), sentiment(4)], first=4, topic=topic)
        load(lake, TABLE)
        (account,) = staged_accounts(lake)
        assert (account.rows, account.missing, account.unexpected, account.pending) == (5, 0, 1, 4)


def test_records_that_connect_rejected_or_set_apart_are_not_counted_as_missing(staging: Settings) -> None:
    landing = Landing(staging)
    topic = landing.topic_id(STAGING.topic)
    events = [sentiment(1), sentiment(1, label="neutral"), *(sentiment(number) for number in range(2, 6))]
    landing.land(STAGING.topic, events)
    with Lake.open(staging) as lake:
        register(lake, STAGING.topic)
        # Of event 1 the later record was rejected, of event 2 the only one, events 3 and 4 were set apart.
        deliver(staging, STAGING, [sentiment(1)], first=0, topic=topic)
        deliver(staging, STAGING, [sentiment(5)], first=5, topic=topic)
        with psycopg.connect(staging.conninfo()) as db:
            insert_set_apart(db, topic, Unreadable(STAGING.topic, 0, 3, 5, 2, "too large", b""), STAGING.connector)
        load(lake, TABLE)
        (account,) = staged_accounts(lake)
        assert account.missing == 2
        later, before = landing.now, at(days=-10_000)
        rejected = {(0, 1): later, (0, 2): later}
        (account,) = staged_accounts(lake, rejected={STAGING.topic: rejected})
        assert (account.rows, account.missing, account.unexpected, account.pending, account.rejected) == (2, 0, 0, 0, 4)
        # A dead letter that is older than the record is of another one, which stood there before.
        (account,) = staged_accounts(lake, rejected={STAGING.topic: dict.fromkeys(rejected, before)})
        assert (account.missing, account.rejected) == (2, 2)


def test_a_landed_dead_letter_names_the_record_that_connect_rejected(staging: Settings) -> None:
    landing = Landing(staging)
    ours = {CONNECT_CONNECTOR: STAGING.connector, CONNECT_PARTITION: "3", CONNECT_OFFSET: "7"}
    for headers in (
        ours,
        ours | {CONNECT_PARTITION: "x"},
        ours | {CONNECT_CONNECTOR: "other", CONNECT_OFFSET: "8"},
        {},
    ):
        landing.land(STAGING.topic + DEAD_LETTER_SUFFIX, [None], headers=headers)
    with Lake.open(staging) as lake:
        assert landed_rejections(lake, STAGING) == {}
        register(lake, STAGING.topic + DEAD_LETTER_SUFFIX)
        assert list(landed_rejections(lake, STAGING)) == [(3, 7)]


def test_a_build_killed_anywhere_takes_every_row_once(staging: Settings) -> None:
    """Kills spread over the time that a build takes; in between rows arrive and rows move."""
    rounds = 6
    started = time.monotonic()
    builder = start_building(staging, STAGING.topic)
    assert builder.wait(timeout=120) == 0
    usual = time.monotonic() - started
    for turn in range(rounds):
        deliver(
            staging, STAGING, [sentiment(number) for number in range(turn * 500, turn * 500 + 520)], first=turn * 520
        )
        builder = start_building(staging, STAGING.topic)
        try:
            builder.communicate(timeout=usual * (0.4 + 0.1 * turn))
        except subprocess.TimeoutExpired:
            builder.send_signal(signal.SIGKILL)
            builder.communicate()
    with Lake.open(staging) as lake:
        load(lake, TABLE)
        expected = {
            f"sentiment-{n}": turn * 520 + n - turn * 500
            for turn in range(rounds)
            for n in range(turn * 500, turn * 500 + 520)
        }
        assert {event: offset for event, _, _, offset in lake.value(ALL)} == expected
        assert unique_key(lake, STAGED_TABLES["core.sentiment"].table, "core.sentiment").passed
