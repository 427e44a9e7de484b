"""Landers, PostgreSQL and the broker are killed at random for a long time: every record lands once.

`CHAOS_SECONDS` (300 by default) says how long, `CHAOS_SEED` repeats a run.
"""

import os
import random
import time

from headrace.contracts.settings import Settings
from tests.integration.conftest import ServerControl
from tests.integration.landers import LanderProcess, assert_nothing_lost_or_repeated, landing, trickle

SECONDS = float(os.environ.get("CHAOS_SECONDS", "300"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
RECORDS_PER_SECOND = 200


def test_two_landers_and_their_servers_killed_at_random_lose_and_repeat_nothing(
    fresh: Settings, server_control: ServerControl
) -> None:
    chance = random.Random(SEED)
    landers: dict[int, LanderProcess | None] = {0: None, 1: None}
    records = int(SECONDS * RECORDS_PER_SECOND)
    kills = 0
    try:
        with trickle(fresh, records, seconds=SECONDS):
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                draw = chance.random()
                if draw < 0.1:
                    server_control.kill9(chance.choice(("postgres", "kafka")))
                    kills += 1
                else:
                    index = chance.choice((0, 1))
                    lander = landers[index]
                    if lander is None or lander.process.poll() is not None:
                        landers[index] = LanderProcess(fresh, index)
                    else:
                        lander.kill9()
                        kills += 1
                time.sleep(chance.uniform(0.3, 4.0))
    finally:
        for lander in landers.values():
            if lander is not None:
                lander.kill9()
    server_control.wait_until_up("postgres")
    server_control.wait_until_up("kafka")
    with landing(fresh, 0), landing(fresh, 1):
        assert_nothing_lost_or_repeated(fresh, records)
    print(f"{kills} kills in {SECONDS:.0f} s, {records} records")
