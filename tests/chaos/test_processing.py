"""Two slots of a processor and the broker killed at random; then every input has had its effect once.

`CHAOS_KILLS` (30 by default) says how often, `CHAOS_SEED` repeats a run.
"""

import os
import random
import time

from contracts.settings import Settings
from streaming.runtime import clients
from streaming.runtime.processing import changelog
from tests.integration.conftest import ServerControl
from tests.integration.processor_slots import Numbering, Slot, slot
from tests.integration.test_processing import assert_each_input_had_its_effect_once, feed

KILLS = int(os.environ.get("CHAOS_KILLS", "30"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
BROKER_SHARE = 0.1


def test_two_slots_and_the_broker_killed_at_random_lose_and_repeat_nothing(
    fresh: Settings, server_control: ServerControl
) -> None:
    changelog.create(clients.admin(fresh), Numbering.name, Numbering.inputs)
    chance = random.Random(SEED)
    slots: dict[int, Slot] = {}
    count, kills = feed(fresh, 200), 0
    try:
        while kills < KILLS:
            for index in (0, 1):
                if index not in slots or slots[index].process.poll() is not None:
                    slots[index] = Slot(fresh, index)
            for _ in range(chance.randrange(2, 12)):
                count += feed(fresh, 100, count)
                time.sleep(chance.uniform(0.1, 0.6))
            if chance.random() < BROKER_SHARE:
                server_control.kill9("kafka")
                server_control.wait_until_up("kafka")
            else:
                slots[chance.choice((0, 1))].kill9()
            kills += 1
    finally:
        for each in slots.values():
            each.kill9()
    with slot(fresh, 0), slot(fresh, 1):
        assert_each_input_had_its_effect_once(fresh, count)
    print(f"{kills} kills, {count} records")
