"""A broker that loses the end of its logs: nothing of either side is lost here, and it is reported."""

import pytest

from contracts.settings import Settings
from orchestration.reconciliation import reconcile_stack
from streaming.landing import accounts
from streaming.landing.progress import committed_ends, wait_until_landed
from streaming.landing.truncations import truncations_of
from streaming.runtime import clients
from tests.corpus import valid_order
from tests.integration.conftest import ServerControl
from tests.integration.landers import DEADLINE_SECONDS, TOPIC, landed_and_registered, landing
from tests.integration.power_cuts import power_cut
from warehouse.lake import Lake
from warehouse.reconcile import Reconciliation

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
def test_records_at_offsets_that_the_broker_lost_land_beside_those_it_lost(
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
    with accounts.connection(fresh.conninfo()) as db:
        (lost,) = truncations_of(db)
    assert (lost.partition, lost.from_offset, lost.to_offset) == (0, LEFT, LANDED)


def landed_by_another(settings: Settings) -> Reconciliation:
    before = reconcile_stack(settings)
    assert not before.sound
    assert before.total("altered")
    with landing(settings, 1):
        return landed_and_registered(settings)
