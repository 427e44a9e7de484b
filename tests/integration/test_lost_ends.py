"""A broker that loses the end of its logs: records from before and after are kept, and the loss is reported."""

import time

import pytest

from headrace.cases.ecommerce.topics.customer_behavior import CustomerBehavior
from headrace.contracts.decoding import decode, encode
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.operations.reconciliation.compare import Reconciliation
from headrace.operations.reconciliation.stack import reconcile_stack
from headrace.streaming.landing import positions
from headrace.streaming.landing.progress import committed_ends, wait_until_landed
from headrace.streaming.landing.truncations import truncations_of
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.processing.ledger import TRUNCATED, Ledger
from headrace.warehouse.lake import Lake
from tests.corpus import valid_order
from tests.integration.conftest import ServerControl
from tests.integration.landers import DEADLINE_SECONDS, TOPIC, landed_and_registered, landing
from tests.integration.power_cuts import power_cut
from tests.integration.processor_instances import Instance, instance, ledgers, read_all, state, wait_for_settled
from tests.integration.samples import order

LANDED, LEFT, SENT_AFTER = 1_000, 500, 1_500


def send(settings: Settings, first: int, count: int) -> None:
    producer = clients.producer(settings, **{"batch.num.messages": 100, "linger.ms": 5})
    for number in range(first, first + count):
        producer.produce(TOPIC, value=valid_order(number), key=str(number), partition=0)
        if number % 100 == 99:
            producer.flush(DEADLINE_SECONDS)
    assert producer.flush(DEADLINE_SECONDS) == 0


def land_all(settings: Settings) -> None:
    assert wait_until_landed(settings, committed_ends(settings), timeout=DEADLINE_SECONDS) == 0


def events_landed(settings: Settings) -> int:
    with Lake.open(settings) as lake:
        return lake.value("select count(distinct event_id) from raw.orders")


@pytest.mark.parametrize("lander_lives", [True, False])
def test_records_at_reused_offsets_land_beside_those_that_the_broker_lost(
    fresh: Settings, server_control: ServerControl, lander_lives: bool
) -> None:
    send(fresh, 0, LANDED)
    with landing(fresh) as lander:
        land_all(fresh)
        if not lander_lives:
            lander.finish()
        power_cut(server_control, {(TOPIC, 0): LEFT})
        send(fresh, LANDED, SENT_AFTER)
        result = landed_and_registered(fresh) if lander_lives else landed_by_another(fresh)
    assert result.complete, result.as_json()
    assert (result.total("held"), result.total("truncated")) == (LEFT + SENT_AFTER, LANDED - LEFT)
    assert result.total("registered") == LANDED + SENT_AFTER == events_landed(fresh)
    with positions.connection(fresh.conninfo()) as db:
        (lost,) = truncations_of(db)
    assert (lost.partition, lost.from_offset, lost.to_offset) == (0, LEFT, LANDED)


def landed_by_another(settings: Settings) -> Reconciliation:
    before = reconcile_stack(settings)
    assert not before.sound
    assert before.total("altered")
    with landing(settings, 1):
        return landed_and_registered(settings)


def send_orders(settings: Settings, first: int, count: int) -> None:
    """Orders of one customer to one partition, a few in each batch."""
    producer = clients.producer(settings)
    for number in range(first, first + count):
        producer.produce(TOPIC, encode(order(str(number))), b"C1", partition=0)
        if number % 20 == 19:
            assert producer.flush(DEADLINE_SECONDS) == 0
    assert producer.flush(DEADLINE_SECONDS) == 0


def wait_for_ledger(
    settings: Settings, end: int, running: Instance, seconds: float = DEADLINE_SECONDS
) -> tuple[Ledger, Instance]:
    """Wait until so much is processed, and start an instance that ended again, as the supervisor does."""
    deadline = time.monotonic() + seconds
    while (book := ledgers(settings).get((TOPIC, 0))) is None or book.next < end:
        assert time.monotonic() < deadline, (book, running.log.read_text()[-3_000:])
        if running.has_ended:
            running = Instance(settings)
        time.sleep(0.3)
    return book, running


def test_inputs_at_reused_offsets_are_processed_beside_those_that_the_broker_lost(
    fresh: Settings, server_control: ServerControl
) -> None:
    with instance(fresh) as first:
        send_orders(fresh, 0, 200)
        wait_for_ledger(fresh, 200, first)
        power_cut(server_control, {(TOPIC, 0): 100})
        send_orders(fresh, 200, 300)
        book, last = wait_for_ledger(fresh, 400, first)
        last.kill9()
    assert (book.first, book.next, book.inputs, book.notes) == (100, 400, 300, {TRUNCATED: 1})
    wait_for_settled(fresh, "customer_behavior")
    made = read_all(fresh, "customer_behavior", TOPICS["customer_behavior"].partitions)
    assert len({decode(CustomerBehavior, value or b"").event_id for _, _, value in made}) == 500
    assert state(fresh, "numbering", TOPIC) == {(0, b"C1"): b"500"}
