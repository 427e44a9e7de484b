"""Processors on the real broker: killed anywhere, every input has its effect exactly once."""

import random
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from contracts.decoding import encode
from contracts.settings import Settings
from contracts.topics import TOPICS
from streaming.runtime import clients
from streaming.runtime.processing import changelog
from streaming.runtime.processing.store import Checkpoint, Store
from tests.corpus import CASES
from tests.integration.conftest import ServerControl
from tests.integration.processor_slots import (
    Numbering,
    ledgers,
    outputs,
    read_all,
    slot,
    state,
    wait_for_inputs,
    wait_for_settled,
)
from tests.integration.samples import order

STEPS = ("gathered", "processed", "produced", "flushed", "offsets_sent", "committed", "stored")
CUSTOMERS = 40


@pytest.fixture(autouse=True)
def _no_changelog_from_before(fresh: Settings) -> None:
    changelog.create(clients.admin(fresh), Numbering.name, Numbering.inputs)


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
    for _, customer, number in outputs(settings):
        numbers[customer].append(number)
    assert all(each == list(range(1, len(each) + 1)) for each in numbers.values()), dict(numbers)
    guests = sum(each.drops.get("guest", 0) for each in books.values())
    assert sum(map(len, numbers.values())) == sum(each.outputs for each in books.values()) == count - guests
    assert {key.decode(): int(value or 0) for key, value in state(settings).items()} == {
        customer: len(each) for customer, each in numbers.items()
    }


def test_a_slot_killed_after_each_step_loses_and_repeats_nothing(fresh: Settings) -> None:
    count = feed(fresh, 300)
    with slot(fresh, 1):
        for step in STEPS:
            with slot(fresh, failpoints=f"processing.{step}=kill@2") as doomed:
                # Fed little by little, so that both slots have work whoever owns the partitions.
                while doomed.process.poll() is None:
                    count += feed(fresh, 60, count)
                    time.sleep(0.1)
                    assert count < 60_000, doomed.log.read_text()
                assert doomed.wait_for_death() == -9
        with slot(fresh) as again:
            assert_each_input_had_its_effect_once(fresh, count)
            again.finish()


def test_slots_that_come_and_go_in_order_hand_over_without_a_gap(fresh: Settings) -> None:
    count = feed(fresh, 500)
    with slot(fresh) as first:
        wait_for_inputs(fresh, count)
        with slot(fresh, 1) as second:
            for _ in range(8):
                count += feed(fresh, 200, count)
                time.sleep(0.5)
            assert_each_input_had_its_effect_once(fresh, count)
            first.finish()
            second.finish()


def test_bad_input_becomes_dead_letters_with_its_reason_and_the_rest_goes_on(fresh: Settings) -> None:
    bad = [case.value for case in CASES if case.refused_as and len(case.value) < 900_000]
    producer = clients.producer(fresh)
    for number, value in enumerate(bad):
        producer.produce("orders", value, b"bad%d" % number)
    producer.produce("orders", None, b"tombstone")
    producer.produce("orders", encode(order("p", ("A", 1, "1"), customer_id="poison")), b"poison")
    assert producer.flush(30) == 0
    count = feed(fresh, 200) + len(bad) + 2
    with slot(fresh) as running:
        books = wait_for_inputs(fresh, count)
        running.finish()
    assert all(each.balanced for each in books.values())
    reasons = sum((Counter(each.dead_letters) for each in books.values()), Counter[str]())
    assert reasons["processor error"] == 1
    assert reasons.total() == len(bad) + 1
    assert sum(each.drops.get("tombstone", 0) for each in books.values()) == 1
    dead = read_all(fresh, "orders.dlq", TOPICS["orders.dlq"].partitions)
    assert Counter(value for _, key, value in dead if key != b"poison") == Counter(bad)


def test_a_broker_that_dies_under_a_slot_costs_nothing(fresh: Settings, server_control: ServerControl) -> None:
    count = feed(fresh, 500)
    with slot(fresh):
        wait_for_inputs(fresh, count)
        server_control.kill9("kafka")
        server_control.wait_until_up("kafka")
        count += feed(fresh, 500, count)
        # An unknown outcome, or a group that has forgotten it, ends a slot; the supervisor would start it again.
        with slot(fresh, 1):
            assert_each_input_had_its_effect_once(fresh, count)


def test_a_lost_or_foreign_store_is_built_again_from_the_changelog(fresh: Settings) -> None:
    count = feed(fresh, 400)
    with slot(fresh) as running:
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
    # Not closed in order: that would say that it is up to date.
    del outdated
    count += feed(fresh, 400, count)
    with slot(fresh) as running:
        assert_each_input_had_its_effect_once(fresh, count)
        running.finish()
    assert sum(each.next - each.first for each in ledgers(fresh).values()) == count
