"""The lander on the real broker and PostgreSQL: a killed process causes no loss and no duplicates."""

import random
import signal
import time
from decimal import Decimal
from pathlib import Path

import orjson
import psycopg

from headrace.cases.ecommerce.topics.orders import Order
from headrace.contracts.decoding import decode
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.streaming.landing import positions
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.health import wait_for_topics
from headrace.streaming.runtime.topics import create_topics, topic_ids
from headrace.warehouse.lake import Lake
from tests.corpus import CASES, valid_order
from tests.integration.conftest import ServerControl
from tests.integration.landers import (
    DEADLINE_SECONDS,
    TOPIC,
    LanderProcess,
    assert_nothing_lost_or_repeated,
    landing,
    mixed,
    produce,
    trickle,
    wait_for_first_commit,
)
from tests.integration.superuser import as_superuser

FAILPOINTS = {
    "1, consumed": "landing.consumed=kill@40",
    "2, flushed": "landing.flushed=kill@3",
    "3, decoded": "landing.decoded=kill@3",
    "4a, written": "landing.written=kill@3",
    "4b, renamed": "landing.renamed=kill@3",
    "5, about to commit": "landing.before_commit=kill@3",
    "5, committed": "landing.committed=kill@3",
    "6, group offsets": "landing.offsets_committed=kill@3",
}


def test_landers_killed_after_each_step_lose_and_repeat_nothing(fresh: Settings) -> None:
    sent = 0
    for step, failpoint in FAILPOINTS.items():
        # Each lander resumes from the state of the one before, and is killed while records keep arriving.
        with landing(fresh, failpoints=failpoint) as lander:
            while lander.process.poll() is None:
                sent += produce(fresh, mixed(120, first=sent))
                time.sleep(0.1)
                assert sent < 100_000, lander.log.read_text()
            assert lander.wait_for_death() == -signal.SIGKILL, step
    with landing(fresh):
        assert_nothing_lost_or_repeated(fresh, sent)


def test_every_record_of_the_corpus_lands_or_is_quarantined_with_its_bytes(fresh: Settings) -> None:
    values = [valid_order(1), *(case.value for case in CASES), None, valid_order(2)]
    good = [value for value in values if value and value not in {case.value for case in CASES if case.refused_as}]
    bad = sorted(case.value for case in CASES if case.refused_as)
    with landing(fresh):
        produce(fresh, values)
        result = assert_nothing_lost_or_repeated(fresh, len(values))
    assert result.total("quarantined") == len(bad)
    with Lake.open(fresh) as lake:
        quarantined = lake.connection.execute(
            "select _value, _reason from raw.orders_quarantine order by _value"
        ).fetchall()
        landed = lake.connection.execute(
            "select order_id, customer_id, total::varchar, epoch_us(event_time), _is_tombstone from raw.orders"
        ).fetchall()
    assert sorted(value for value, _ in quarantined) == bad
    assert all(reason for _, reason in quarantined)
    expected = [
        (
            order.order_id,
            order.customer_id,
            f"{Decimal(order.total) + 0:.4f}",  # minus nothing is nothing
            round(order.event_time.timestamp() * 1e6),
            False,
        )
        for order in (decode(Order, value) for value in good)
    ]
    assert sorted((row for row in landed if not row[4]), key=repr) == sorted(expected, key=repr)
    assert sum(row[4] for row in landed) == 1


def test_dead_letters_land_as_raw_bytes_with_their_headers(fresh: Settings) -> None:
    producer = clients.producer(fresh)
    producer.produce("orders.dlq", value=b"\xff\x00", key=b"k", headers={"headrace.reason": b"why", "empty": None})
    producer.flush()
    with landing(fresh) as lander:
        wait_for_first_commit(fresh, lander)
    from headrace.warehouse.build import register

    with Lake.open(fresh) as lake:
        register(lake, "orders.dlq")
        row = lake.connection.execute("select _value, _key, _headers from raw.orders_dlq").fetchall()
    headers = [{"key": "headrace.reason", "value": b"why"}, {"key": "empty", "value": None}]
    assert row == [(b"\xff\x00", b"k", headers)]


def test_a_topic_written_by_transactions_has_no_lag_once_it_has_landed(fresh: Settings) -> None:
    producer = clients.producer(fresh, **{"transactional.id": "test"})
    producer.init_transactions()
    for number in range(3):  # the marker that ends each transaction takes an offset too
        producer.begin_transaction()
        producer.produce(TOPIC, valid_order(number), partition=0)
        producer.commit_transaction()
    with landing(fresh) as lander:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while [(s.rows_landed, s.lag) for s in positions.topic_states(fresh.conninfo()) if s.topic == TOPIC] != [
            (3, 0)
        ]:
            assert time.monotonic() < deadline, positions.topic_states(fresh.conninfo())
            time.sleep(0.1)
        produce(fresh, [valid_order(3)])
        assert_nothing_lost_or_repeated(fresh, 4)
        lander.finish()


def test_postgresql_killed_during_commits_loses_and_repeats_nothing(
    fresh: Settings, server_control: ServerControl
) -> None:
    # A deferred trigger makes each COMMIT take a moment, so that a kill can hit a COMMIT in progress.
    with psycopg.connect(fresh.conninfo(), autocommit=True) as db:
        db.execute(
            "create function slow() returns trigger language plpgsql as 'begin perform pg_sleep(0.1); return new; end'"
        )
        db.execute(
            "create constraint trigger slow after insert on landing.commits deferrable initially deferred"
            " for each row execute function slow()"
        )
    produce(fresh, [valid_order(1500)])
    with landing(fresh) as lander:
        # A lander that starts without PostgreSQL ends. The supervisor would start it again; this test does not.
        wait_for_first_commit(fresh, lander)
        with trickle(fresh, 1500, seconds=10.0):
            for _ in range(3):
                wait_for_a_commit_under_way(fresh)
                server_control.kill9("postgres")
                server_control.wait_until_up("postgres")
        assert_nothing_lost_or_repeated(fresh, 1501)


def wait_for_a_commit_under_way(settings: Settings) -> None:
    """Wait until PostgreSQL is about a COMMIT of the lander."""
    committing = (
        "select from pg_stat_activity"
        " where application_name = 'headrace-landing' and state = 'active' and query ilike 'commit%'"
    )
    deadline = time.monotonic() + DEADLINE_SECONDS
    with psycopg.connect(as_superuser(settings), autocommit=True) as db:
        while db.execute(committing).fetchone() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)


def test_the_broker_killed_while_landing_loses_and_repeats_nothing(
    fresh: Settings, server_control: ServerControl
) -> None:
    produce(fresh, map(valid_order, range(2000)))
    with landing(fresh):
        time.sleep(1.0)
        server_control.kill9("kafka")
        server_control.wait_until_up("kafka")
        produce(fresh, map(valid_order, range(2000, 3000)))
        assert_nothing_lost_or_repeated(fresh, 3000)


def test_two_landers_of_one_group_killed_at_random_lose_and_repeat_nothing(fresh: Settings) -> None:
    chance = random.Random(11)
    landers: dict[int, LanderProcess | None] = {0: None, 1: None}
    try:
        with trickle(fresh, 6000, seconds=27.0):
            end = time.monotonic() + 30.0
            while time.monotonic() < end:
                index = chance.choice((0, 1))
                lander = landers[index]
                if lander is None:
                    landers[index] = LanderProcess(fresh, index)
                else:
                    lander.kill9() if chance.random() < 0.7 else lander.finish()
                    landers[index] = None
                time.sleep(chance.uniform(0.5, 2.5))
    finally:
        for lander in landers.values():
            if lander is not None:
                lander.kill9()
    with landing(fresh, 0), landing(fresh, 1):
        assert_nothing_lost_or_repeated(fresh, 6000)


def stopped_reasons(settings: Settings) -> list[str]:
    return [reason for state in positions.topic_states(settings.conninfo()) for reason in state.stopped_partitions]


def wait_for_stop(settings: Settings, lander: LanderProcess) -> list[str]:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (reasons := stopped_reasons(settings)):
        assert time.monotonic() < deadline, lander.log.read_text()
        time.sleep(0.2)
    return reasons


def accept_gap(settings: Settings, topic: str) -> None:
    """What `headrace landing accept-gap` does."""
    import subprocess
    import sys

    from tests.integration.landers import environment

    command = [sys.executable, "-m", "headrace", "landing", "accept-gap", topic]
    done = subprocess.run(command, env=environment(settings), capture_output=True, text=True, check=True)
    assert "skipped offsets" in done.stdout


def landed_rows(settings: Settings, topic_id: object) -> int:
    with psycopg.connect(settings.conninfo()) as db:
        row = db.execute(
            "select coalesce(sum(rows), 0)::int from landing.commits where topic_id = %s", (topic_id,)
        ).fetchone()
    assert row is not None
    return row[0]


def test_a_recreated_topic_stops_with_an_error_and_resumes_once_the_gap_is_accepted(fresh: Settings) -> None:
    admin = clients.admin(fresh)
    old_id = topic_ids(admin, [TOPIC])[TOPIC]
    with landing(fresh) as lander:
        produce(fresh, map(valid_order, range(300)))
        assert_nothing_lost_or_repeated(fresh, 300)
        admin.delete_topics([TOPIC])[TOPIC].result()
        while TOPIC in topic_ids(admin, [TOPIC]):
            time.sleep(0.05)
        create_topics(admin, [TOPICS[TOPIC]])
        wait_for_topics(admin, {TOPIC: TOPICS[TOPIC]})
        new_id = topic_ids(admin, [TOPIC])[TOPIC]
        produce(fresh, map(valid_order, range(1000, 1900)))
        assert any("recreated" in reason or "deleted" in reason for reason in wait_for_stop(fresh, lander))
        time.sleep(1.0)
        assert landed_rows(fresh, old_id) == 300
        assert landed_rows(fresh, new_id) == 0
        assert "accept-gap orders" in lander.log.read_text()
        accept_gap(fresh, TOPIC)
        assert_nothing_lost_or_repeated_of_new_topic(fresh)
        assert landed_rows(fresh, old_id) == 300
        assert landed_rows(fresh, new_id) == 900


def assert_nothing_lost_or_repeated_of_new_topic(settings: Settings) -> None:
    result = assert_nothing_lost_or_repeated(settings, 900)
    assert {row.stopped_reason for row in result.partitions} == {None}


def test_records_expired_before_landing_stop_a_partition_until_the_gap_is_accepted(fresh: Settings) -> None:
    from confluent_kafka import TopicPartition

    produce(fresh, map(valid_order, range(400)))
    with landing(fresh):
        assert_nothing_lost_or_repeated(fresh, 400)
    produce(fresh, map(valid_order, range(400, 800)))
    ends = accounts_ends(fresh)
    admin = clients.admin(fresh)
    gone = [TopicPartition(TOPIC, partition, end - 10) for partition, end in ends.items()]
    for future in admin.delete_records(gone).values():
        future.result()
    with landing(fresh) as lander:
        assert all("expired before they were landed" in reason for reason in wait_for_stop(fresh, lander))
        accept_gap(fresh, TOPIC)
        result = assert_nothing_lost_or_repeated_after_gap(fresh)
    assert result > 0


def accounts_ends(settings: Settings) -> dict[int, int]:
    from headrace.streaming.landing.progress import committed_ends

    return {partition: end for (topic, partition), end in committed_ends(settings).items() if topic == TOPIC}


def assert_nothing_lost_or_repeated_after_gap(settings: Settings) -> int:
    from tests.integration.landers import landed_and_registered

    result = landed_and_registered(settings)
    assert result.complete, orjson.dumps(result.as_json(), option=orjson.OPT_INDENT_2).decode()
    assert result.total("held") == 40
    return result.total("expired")


def test_no_log_line_holds_a_payload(fresh: Settings) -> None:
    with landing(fresh) as lander:
        produce(fresh, [valid_order(1).replace(b"85123A", b"s3cretpayload"), b"s3cretpayload"])
        assert_nothing_lost_or_repeated(fresh, 2)
        assert "s3cretpayload" not in lander.log.read_text()


def test_nothing_temporary_is_left_behind_and_every_file_is_committed(fresh: Settings) -> None:
    with landing(fresh), trickle(fresh, 500, seconds=1.0):
        pass
    with landing(fresh):
        assert_nothing_lost_or_repeated(fresh, 500)
    with psycopg.connect(fresh.conninfo()) as db:
        named = {
            row[0]
            for row in db.execute("select file from landing.commits union select quarantine_file from landing.commits")
        }
    on_disk = {str(path.relative_to(fresh.landing_root)) for path in fresh.landing_root.rglob("*.parquet")}
    assert {Path(name) for name in named if name} <= {Path(name) for name in on_disk}
