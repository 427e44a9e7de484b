"""Processors on the real broker: killed anywhere, every input has its effect exactly once."""

import random
import signal
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from uuid import uuid4

import pytest

from headrace.cases.ecommerce.topics.customer_behavior import CustomerBehavior
from headrace.contracts.decoding import decode, encode
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.health import wait_for_topics
from headrace.streaming.runtime.processing import changelog
from headrace.streaming.runtime.processing.store import Checkpoint, Store
from headrace.streaming.runtime.topics import create_topics, topic_ids
from tests.corpus import CASES
from tests.integration.conftest import ServerControl
from tests.integration.instance_process import PINNED, POISON, Numbering
from tests.integration.processor_instances import (
    instance,
    ledgers,
    read_all,
    reading_along,
    state,
    wait_for_inputs,
    wait_for_settled,
)
from tests.integration.samples import order
from tests.integration.stories import InputRecord, send, story
from tests.integration.undisturbed import assert_as_undisturbed

STEPS = ("gathered", "processed", "produced", "flushed", "offsets_sent", "committed", "stored")
CUSTOMERS = 40


def feed(settings: Settings, count: int, first: int = 0) -> int:
    """Send orders of some customers and guests; returns how many."""
    chance = random.Random(first)
    producer = clients.producer(settings, **{"linger.ms": 1})
    for number in range(first, first + count):
        customer = None if chance.random() < 0.1 else f"C{chance.randrange(CUSTOMERS)}"
        event = order(str(number), ("A", 1, "1"), customer_id=customer)
        producer.produce("orders", encode(event), (customer or f"guest-{number}").encode())
    assert producer.flush(30) == 0
    return count


def assert_each_input_had_its_effect_once(settings: Settings, count: int) -> None:
    """The outputs number each customer's orders 1, 2, 3, … in order, the state ends there, the ledgers add up."""
    books = wait_for_inputs(settings, count)
    wait_for_settled(settings, "customer_behavior")
    assert all(each.balanced for each in books.values())
    assert sum(each.inputs for each in books.values()) == count
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for _, _, value in read_all(settings, "customer_behavior", TOPICS["customer_behavior"].partitions):
        event = decode(CustomerBehavior, value or b"")
        numbers[event.customer_id].append(event.orders)
    assert all(each == list(range(1, len(each) + 1)) for each in numbers.values()), dict(numbers)
    guests = sum(each.drops.get("guest", 0) for each in books.values())
    assert sum(map(len, numbers.values())) == sum(each.outputs for each in books.values()) == count - guests
    kept = state(settings, Numbering.name, "orders")
    assert {key.decode(): int(value) for (_, key), value in kept.items()} == {
        customer: len(each) for customer, each in numbers.items()
    }


@pytest.mark.parametrize("name", [name for name in PINNED if name != Numbering.name])
def test_two_instances_killed_after_each_step_do_what_an_undisturbed_run_does(fresh: Settings, name: str) -> None:
    processor, records, count = PINNED[name](), story(name), 0
    changelog.create(clients.admin(fresh), name, processor.inputs)
    with reading_along(fresh, processor.output) as seen, instance(fresh, 1, processor=name):
        for step in STEPS:
            with instance(fresh, failpoints=f"processing.{step}=kill@2", processor=name) as doomed:
                # Fed little by little, so that both instances have work, independent of which owns the partitions.
                while not doomed.has_ended:
                    count += send(fresh, list(islice(records, 40)))
                    time.sleep(0.05)
                    assert count < 60_000, doomed.log.read_text()
                assert doomed.wait_for_end() == -signal.SIGKILL
        with instance(fresh, processor=name) as again:
            wait_for_inputs(fresh, count, processor)
            again.finish()
    assert_as_undisturbed(fresh, processor, seen)


def test_instances_that_come_and_go_in_order_hand_over_without_a_gap(fresh: Settings) -> None:
    count = feed(fresh, 500)
    with instance(fresh) as first:
        wait_for_inputs(fresh, count)
        with instance(fresh, 1) as second:
            for _ in range(8):
                count += feed(fresh, 200, count)
                time.sleep(0.5)
            assert_each_input_had_its_effect_once(fresh, count)
            first.finish()
            second.finish()
            # Half of the partitions moved while the group's other half continued.
            assert 0 < second.log.read_text().count("state ready") < TOPICS["orders"].partitions


def test_an_instance_that_was_frozen_with_a_batch_in_hand_commits_nothing_of_it(fresh: Settings) -> None:
    count = feed(fresh, 200)
    with instance(fresh, failpoints="processing.processed=stall:1") as frozen:
        wait_for_inputs(fresh, 1)
        count += feed(fresh, 200, count)
        time.sleep(0.5)
        frozen.send(signal.SIGSTOP)
        with instance(fresh, 1):
            # The group removes it after its session timeout, and the broker aborts its transaction.
            count += feed(fresh, 200, count)
            assert_each_input_had_its_effect_once(fresh, count)
            frozen.send(signal.SIGCONT)
            count += feed(fresh, 200, count)
            assert_each_input_had_its_effect_once(fresh, count)


def test_a_second_process_of_the_same_instance_ends_the_first(fresh: Settings) -> None:
    count = feed(fresh, 200)
    with instance(fresh) as former:
        wait_for_inputs(fresh, count)
        former.send(signal.SIGSTOP)
        # Stores are locked by their owner, so the newcomer has a home of its own, as on another machine.
        with instance(fresh.model_copy(update={"home": fresh.root / "elsewhere"})):
            count += feed(fresh, 200, count)
            wait_for_inputs(fresh, count)
            former.send(signal.SIGCONT)
            assert former.wait_for_end() == 1
            # Its consumer or its producer, whichever receives the error first.
            assert "fenced by" in former.log.read_text()
            assert_each_input_had_its_effect_once(fresh, count)


def test_an_input_topic_created_again_stops_its_processors_with_a_remedy(fresh: Settings) -> None:
    count = feed(fresh, 100)
    with instance(fresh) as running:
        wait_for_inputs(fresh, count)
        recreate_topic(fresh, "orders")
        while not running.has_ended:
            feed(fresh, 200)
            time.sleep(0.2)
        assert running.wait_for_end() == 1
        assert "headrace processor reset" in running.log.read_text()
    with instance(fresh) as again:
        assert again.wait_for_end() == 1
        assert "earlier topic" in again.log.read_text()
    assert sum(each.inputs for each in ledgers(fresh).values()) == count


def recreate_topic(settings: Settings, name: str) -> None:
    """Delete a topic and create it again."""
    admin = clients.admin(settings)
    admin.delete_topics([name])[name].result()
    while topic_ids(admin, [name]):
        time.sleep(0.1)
    create_topics(admin, [TOPICS[name]])
    wait_for_topics(admin, {name: TOPICS[name]})


@pytest.mark.parametrize("name", [name for name in PINNED if name != Numbering.name])
def test_bad_input_becomes_dead_letters_with_a_reason_and_the_rest_is_processed(fresh: Settings, name: str) -> None:
    processor = PINNED[name]()
    changelog.create(clients.admin(fresh), name, processor.inputs)
    refused = [case for case in CASES if case.refused_as]
    largest = 1_048_576 - 200  # what the broker takes, with the record's own overhead
    oversized = b'{"event_id":"' + b"x" * (largest - 15) + b'"}'
    count = 0
    for topic in processor.inputs:
        bad = [InputRecord(topic, b"bad", case.value) for case in refused] + [InputRecord(topic, b"bad", oversized)]
        bad += [
            InputRecord(topic, None, b"no key"),
            InputRecord(topic, b"k" * 20_000, b"long key"),
            InputRecord(topic, b"bad", None),
        ]
        count += send(fresh, bad)
    count += send(fresh, list(islice(story(name), 300)))
    with reading_along(fresh, processor.output) as seen, instance(fresh, processor=name) as running:
        wait_for_inputs(fresh, count, processor)
        running.finish()
    shares = assert_as_undisturbed(fresh, processor, seen)
    for topic in processor.inputs:
        dead = read_all(fresh, TOPICS[topic].dead_letter, 1)
        values = Counter(value for _, _, value in dead)
        assert all(values[case.value] for case in refused)
        assert values[oversized] == 1
        assert (None, b"no key") in {(key, value) for _, key, value in dead}
        assert (None, b"long key") in {(key, value) for _, key, value in dead}
    assert sum(result.dead_letters["processor error"] for result in shares.values()) == 0


def test_a_record_that_a_processor_cannot_take_is_refused_alone(fresh: Settings) -> None:
    poison = order("p", ("A", 1, "1"), customer_id=POISON)
    count = feed(fresh, 50) + send(fresh, [InputRecord("orders", b"C1", encode(poison))])
    count += feed(fresh, 150, count)
    with instance(fresh) as running:
        books = wait_for_inputs(fresh, count)
        running.finish()
    reasons = sum((Counter(each.dead_letters) for each in books.values()), Counter[str]())
    assert reasons == {"processor error": 1}
    assert [value for _, _, value in read_all(fresh, "orders.dlq", 1)] == [encode(poison)]
    assert (
        sum(each.outputs for each in books.values()) + sum(each.drops.get("guest", 0) for each in books.values())
        == count - 1
    )


def test_a_broker_crash_under_a_running_instance_loses_and_repeats_nothing(
    fresh: Settings, server_control: ServerControl
) -> None:
    count = feed(fresh, 500)
    with instance(fresh):
        wait_for_inputs(fresh, count)
        server_control.kill9("kafka")
        server_control.wait_until_up("kafka")
        count += feed(fresh, 500, count)
        # An unknown outcome, or removal from its group, ends an instance; the supervisor would start it again.
        with instance(fresh, 1):
            assert_each_input_had_its_effect_once(fresh, count)


def test_restoring_waits_for_what_a_former_owner_may_still_commit(fresh: Settings, tmp_path: Path) -> None:
    admin, topic = clients.admin(fresh), changelog.changelog_topic(Numbering.name, "orders").name
    ids = changelog.create(admin, Numbering.name, Numbering.inputs)
    former = clients.producer(fresh, **{"transactional.id": "former"})
    former.init_transactions(30)

    def write(key: bytes, value: bytes) -> None:
        former.begin_transaction()
        former.produce(topic, value, key, partition=0)
        assert former.flush(30) == 0

    write(b"aborted", b"1")
    former.abort_transaction(30)
    write(b"committed", b"2")
    with changelog.Restorer(fresh, admin, Numbering.name, ids) as restorer, ThreadPoolExecutor(1) as thread:
        opening = thread.submit(restorer.open, "orders", 0, tmp_path / "store")
        time.sleep(2)
        assert not opening.done()
        former.commit_transaction(30)
        store, replayed = opening.result(30)
    assert (store.entries(b"a", b"z"), replayed) == ({b"committed": b"2"}, 1)
    store.close()


def test_a_lost_or_foreign_store_is_built_again_from_the_changelog(fresh: Settings) -> None:
    count = feed(fresh, 400)
    with instance(fresh) as running:
        assert_each_input_had_its_effect_once(fresh, count)
        running.finish()
    folder = fresh.root / "state" / Numbering.name / "0" / "orders"
    Store.emptied(folder / "0").close()
    foreign = Store.emptied(folder / "1")
    foreign.write({b"C1": b"9999"}, Checkpoint(uuid4(), 1_000_000, datetime.now(UTC)))
    foreign.close()
    outdated = Store(folder / "2")
    checkpoint = outdated.checkpoint
    assert checkpoint is not None
    long_ago = datetime.now(UTC) - changelog.DELETE_RETENTION
    outdated.write({b"resurrected": b"1"}, Checkpoint(checkpoint.topic_id, checkpoint.offset, long_ago))
    # Not closed in order: closing would mark it as up to date.
    del outdated
    count += feed(fresh, 400, count)
    with instance(fresh) as running:
        assert_each_input_had_its_effect_once(fresh, count)
        running.finish()
    assert sum(each.next - each.first for each in ledgers(fresh).values()) == count
