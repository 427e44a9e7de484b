"""Batches that no client can read, on the real broker: they are set apart, and all others are processed."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
from confluent_kafka import TopicPartition

from headrace.contracts.exit_codes import ExitCode
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.streaming.landing import apart, positions
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.careful.headers import headers_of
from headrace.streaming.runtime.careful.reader import Unreadable
from headrace.streaming.runtime.dead_letters import letters
from headrace.streaming.runtime.processing.progress import read_ledgers, wait_until_processed
from headrace.streaming.runtime.reading import committed_records
from headrace.streaming.runtime.topics import offset_bounds
from headrace.warehouse.lake import Lake
from tests.corpus import valid_order
from tests.hostile_records import (
    GZIP,
    INT64_MIN,
    LZ4,
    NONE,
    NOW_MS,
    ZSTD,
    RawProducer,
    Record,
    batch,
    bomb,
    compressed,
    encoded,
    odd_records,
)
from tests.integration.instance_process import Numbering
from tests.integration.landers import (
    TOPIC,
    assert_nothing_lost_or_repeated,
    environment,
    landed_and_registered,
    landing,
    produce,
)
from tests.integration.processor_instances import DEADLINE_SECONDS, instance


def read_carefully_next(settings: Settings, program: str) -> None:
    """As if the previous process had exceeded its memory limit."""
    marker = settings.root / "state" / f"{program}.full"
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.touch()


def orders(first: int, count: int) -> list[Record]:
    return [Record(valid_order(number)) for number in range(first, first + count)]


def test_odd_headers_can_be_asked_for_again(fresh: Settings) -> None:
    with RawProducer(fresh) as producer:
        producer.send("orders", 0, batch([Record(valid_order(1), headers=[(b"\xff\xfe", b"x"), (b"plain", b"y")])]))
    (message,) = committed_records(fresh, "orders", 0, 1)
    assert [headers_of([message]) for _ in range(3)] == [([None], [0])] * 3


def test_odd_headers_and_timestamps_land_with_their_bytes(fresh: Settings) -> None:
    odd = [
        Record(valid_order(1), headers=[(b"\xff\xfe", b"x"), (b"plain", b"y")]),
        Record(valid_order(2), delay_ms=-NOW_MS - 1),
        Record(valid_order(3), delay_ms=INT64_MIN),
    ]
    with RawProducer(fresh) as producer:
        assert producer.send(TOPIC, 0, batch([*orders(10, 50), *odd, *orders(100, 50)])) == 0
    with landing(fresh) as lander:
        assert_nothing_lost_or_repeated(fresh, records=103)
        lander.finish()
    with Lake.open(fresh) as lake:
        found = lake.connection.execute(
            "select _headers from raw.orders where _offset in (50, 52) order by _offset"
        ).fetchall()
    assert found[0][0] == [{"key": "\\xff\\xfe", "value": b"x"}, {"key": "plain", "value": b"y"}]


def test_a_batch_that_cannot_be_inflated_is_set_apart_and_passed(fresh: Settings) -> None:
    with RawProducer(fresh) as producer:
        producer.send(TOPIC, 0, batch(orders(0, 20)))
        first = producer.send(TOPIC, 0, bomb(ZSTD, 300))
        producer.send(TOPIC, 0, batch(orders(20, 20)))
        producer.send(TOPIC, 1, batch(orders(40, 20)))
    with landing(fresh) as lander:
        result = assert_nothing_lost_or_repeated(fresh, records=60)
        lander.finish()
    assert result.total("set_apart") == 1
    (found,) = apart.latest(fresh.conninfo())
    assert (found.topic, found.partition, found.first_offset, found.next_offset) == (TOPIC, 0, first, 21)
    assert found.reason == "inflates to more than 67108864 bytes"
    with psycopg.connect(fresh.conninfo()) as db:
        ((kept, size),) = db.execute("select batch, bytes from landing.set_apart").fetchall()
    assert len(kept) == size == len(bomb(ZSTD, 300))


def test_a_batch_whose_record_is_cut_off_stops_no_reader(fresh: Settings) -> None:
    # Its length says 24 bytes. The broker accepts this, and librdkafka takes it for an incomplete fetch.
    cut_off = compressed(ZSTD, b"\x30" + encoded([Record(b"{}")])[1:])
    with RawProducer(fresh) as producer:
        producer.send(TOPIC, 0, batch(orders(0, 20)))
        assert producer.send(TOPIC, 0, batch([], ZSTD, content=cut_off, count=1)) == 20
        producer.send(TOPIC, 0, batch(orders(20, 20)))
    with landing(fresh) as lander:
        result = assert_nothing_lost_or_repeated(fresh, records=40)
        lander.finish()
    with instance(fresh) as running:
        assert wait_until_processed(fresh, Numbering(), timeout=DEADLINE_SECONDS)
        running.finish()
    assert result.total("set_apart") == 1
    assert sum(book.inputs for book in read_ledgers(fresh, Numbering()).values()) == 40
    assert sum(1 for _ in committed_records(fresh, TOPIC, 0, 41)) == 40


def test_what_was_set_apart_of_a_log_that_lost_its_end_is_not_of_the_next_log(fresh: Settings) -> None:
    first, second = uuid4(), uuid4()
    positions.prepare(fresh.conninfo())
    with positions.connection(fresh.conninfo()) as db:
        # As in an older home.
        db.execute("alter table landing.set_apart drop column log_id")
        db.execute("alter table landing.set_apart add primary key (topic_id, partition, first_offset, reader)")
        db.execute(
            "insert into landing.set_apart (topic, topic_id, partition, first_offset, next_offset, reader, records,"
            " reason, bytes) values (%s, %s, 0, 5, 7, 'lander', 2, 'damaged', 1)",
            (TOPIC, first),
        )
    positions.prepare(fresh.conninfo())
    with positions.connection(fresh.conninfo()) as db:
        apart.insert(db, first, Unreadable(TOPIC, 0, 5, 9, 4, "damaged", b"x"), log_id=second)
        apart.insert(db, first, Unreadable(TOPIC, 0, 5, 9, 4, "damaged", b"x"), log_id=second)
        assert apart.ranges(db, first) == {(first, 0): ((5, 7, 2),), (second, 0): ((5, 9, 4),)}
    assert len(apart.latest(fresh.conninfo())) == 2


def test_a_killed_lander_sets_each_batch_apart_once(fresh: Settings) -> None:
    with RawProducer(fresh) as producer:
        for number in range(2):
            producer.send(TOPIC, 0, batch(orders(number * 10, 10)))
            producer.send(TOPIC, 0, bomb(ZSTD, 200))
        producer.send(TOPIC, 0, batch(orders(20, 10)))
    with landing(fresh, failpoints="landing.before_set_apart=kill@2") as lander:
        lander.wait_for_death()
    with landing(fresh) as lander:
        result = assert_nothing_lost_or_repeated(fresh, records=30)
        lander.finish()
    assert result.total("set_apart") == 2


def test_a_lander_that_bombs_would_fill_ends_and_sets_them_apart(fresh: Settings) -> None:
    with RawProducer(fresh) as producer:
        producer.send(TOPIC, 0, batch(orders(0, 20)))
        for codec in (GZIP, LZ4, GZIP, GZIP):
            assert producer.send(TOPIC, 0, bomb(codec, 200)) is not None
        producer.send(TOPIC, 0, batch(orders(20, 20)))
    with landing(fresh) as lander:
        assert lander.wait_for_death() == ExitCode.RESTART
    with landing(fresh) as lander:
        result = assert_nothing_lost_or_repeated(fresh, records=40)
        lander.finish()
    assert result.total("set_apart") == 4


def test_small_bombs_right_behind_a_position_stop_no_lander_for_good(fresh: Settings) -> None:
    with RawProducer(fresh) as producer:
        for partition in range(2):
            producer.send(TOPIC, partition, batch(orders(20 * partition, 20)))
        with landing(fresh) as lander:
            assert_nothing_lost_or_repeated(fresh, records=40)
            lander.finish()
        for partition in range(2):
            for _ in range(6):
                assert producer.send(TOPIC, partition, bomb(ZSTD, 90)) is not None
    with landing(fresh) as lander:
        assert lander.wait_for_death() == ExitCode.RESTART
    with landing(fresh) as lander:
        result = assert_nothing_lost_or_repeated(fresh, records=40)
        lander.finish()
    assert result.total("set_apart") == 12


def test_records_that_arrive_during_a_careful_start_all_land(fresh: Settings) -> None:
    read_carefully_next(fresh, "lander-0")
    with landing(fresh) as lander:
        sent = produce(fresh, map(valid_order, range(150)), pause=0.02)
        assert_nothing_lost_or_repeated(fresh, records=sent)
        lander.finish()


def test_no_record_is_skipped_after_an_idle_assignment(fresh: Settings) -> None:
    keys = [(TOPIC, partition) for partition in range(TOPICS[TOPIC].partitions)]
    produce(fresh, map(valid_order, range(40)))
    ends = {key: end for key, (_, end) in offset_bounds(clients.admin(fresh), keys).items()}

    def reads(delay: float) -> dict[tuple[str, int], list[int]]:
        read = {key: list[int]() for key in keys}
        consumer = clients.consumer(fresh, f"headrace-audit-{uuid4().hex}")
        clients.assign_idle(consumer, ends)
        time.sleep(delay)
        for key in keys:
            consumer.seek(TopicPartition(*key, 0))
        consumer.resume([TopicPartition(*key) for key in keys])
        deadline = time.monotonic() + 2.0
        while time.monotonic() < deadline:
            for message in consumer.consume(100, 0.1):
                read[str(message.topic()), message.partition() or 0].append(message.offset() or 0)
        consumer.close()
        return read

    # Seeks about half a second after the assignment: then librdkafka may still be resolving a logical offset.
    with ThreadPoolExecutor() as pool:
        results = [pool.submit(reads, 0.49 + number / 200) for number in range(8)]
        produce(fresh, map(valid_order, range(150)), pause=0.01)
    for result in results:
        assert all(offsets == list(range(len(offsets))) and offsets for offsets in result.result().values())


def test_a_bomb_that_landed_is_not_lost_by_the_broker_after_a_careful_start(fresh: Settings) -> None:
    with RawProducer(fresh) as producer:
        assert producer.send(TOPIC, 0, bomb(GZIP, 65)) == 0
        with landing(fresh) as lander:
            assert_nothing_lost_or_repeated(fresh, records=1)
            lander.finish()
        read_carefully_next(fresh, "lander-0")
        producer.send(TOPIC, 0, batch(orders(0, 20)))
        with landing(fresh) as lander:
            result = assert_nothing_lost_or_repeated(fresh, records=21)
            lander.finish()
    assert (result.total("truncated"), result.total("quarantined")) == (0, 1)


def test_a_bomb_that_was_processed_is_not_lost_after_a_careful_start(fresh: Settings) -> None:
    with RawProducer(fresh) as producer:
        assert producer.send(TOPIC, 0, bomb(GZIP, 65)) == 0
        with instance(fresh) as running:
            assert wait_until_processed(fresh, Numbering(), timeout=DEADLINE_SECONDS)
            running.finish()
        read_carefully_next(fresh, f"{Numbering.name}-0")
        producer.send(TOPIC, 0, batch(orders(0, 20)))
        with instance(fresh) as running:
            assert wait_until_processed(fresh, Numbering(), timeout=DEADLINE_SECONDS)
            running.finish()
    assert sum(book.inputs for book in read_ledgers(fresh, Numbering()).values()) == 21


def test_fuzzed_records_land_or_are_quarantined_and_none_is_lost(fresh: Settings) -> None:
    sent = 0
    with RawProducer(fresh) as producer:
        for seed in range(20):
            drawn = list(odd_records(seed, 100))
            for codec in (NONE, GZIP, LZ4):
                if producer.send(TOPIC, seed % 4, batch(drawn, codec)) is not None:
                    sent += len(drawn)
    assert sent > 1_000
    with landing(fresh) as lander:
        result = landed_and_registered(fresh)
        lander.finish()
    assert result.complete
    assert result.total("held") == result.total("registered") == sent


def test_a_processor_passes_what_it_cannot_read_and_accounts_for_all_else(fresh: Settings) -> None:
    bad = Record(b"no event", headers=[(b"\xff\xfe", b"x")])
    with RawProducer(fresh) as producer:
        producer.send(TOPIC, 0, batch([*orders(0, 20), bad]))
        producer.send(TOPIC, 0, bomb(ZSTD, 200))
        producer.send(TOPIC, 0, batch(orders(20, 20)))
        producer.send(TOPIC, 0, bomb(ZSTD, 200))
    with instance(fresh) as running:
        assert wait_until_processed(fresh, Numbering(), timeout=DEADLINE_SECONDS)
        running.finish()
    assert sum(book.inputs for book in read_ledgers(fresh, Numbering()).values()) == 41
    _, start, end = letters.bounds(clients.admin(fresh), TOPIC)
    (letter,) = letters.read(fresh, TOPIC, start, end)
    assert (letter.value, letter.headers[0]) == (b"no event", ("\\xff\\xfe", b"x"))


def test_a_command_that_reads_many_bombs_at_once_takes_no_more_than_a_gigabyte(fresh: Settings) -> None:
    bombs = 24
    with RawProducer(fresh) as producer:
        producer.send(TOPIC, 0, batch(orders(0, 20)))
        for _ in range(bombs):
            assert producer.send(TOPIC, 0, bomb(ZSTD, 95)) is not None
        producer.send(TOPIC, 0, batch(orders(20, 20)))
    end = 40 + bombs
    program = (
        "from benchmarks.measuring import memory_mb\nfrom headrace.contracts.settings import Settings\n"
        "from headrace.streaming.landing.audit import scan\n"
        "from headrace.streaming.runtime.reading import committed_records\n"
        f"held = scan(Settings(), {{('{TOPIC}', 0): (0, {end})}})['{TOPIC}', 0]\n"
        f"read = sum(1 for _ in committed_records(Settings(), '{TOPIC}', 0, {end}))\n"
        "print(len(held), read, memory_mb())"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment(fresh), capture_output=True, text=True, check=True)
    held, read, peak_mb = map(float, done.stdout.split())
    assert held == read == end
    assert peak_mb < 1_000
