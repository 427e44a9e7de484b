"""Connect, PostgreSQL and the broker are killed at random, PostgreSQL is down for a minute: all arrives once.

`CHAOS_KILLS` (30 by default) says how often, `CHAOS_SEED` repeats a run.
"""

import os
import random
import time
from typing import get_args

from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.operations.reconciliation.stack import reconcile_stack
from headrace.warehouse.build import load
from headrace.warehouse.lake import Lake
from tests.integration.conftest import Server, ServerControl
from tests.integration.landers import landed_and_registered, landing
from tests.integration.test_connect import Feed, watching

KILLS = int(os.environ.get("CHAOS_KILLS", "30"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
AWAY_SECONDS = 60.0
SERVERS: tuple[Server, ...] = get_args(Server)


def test_connect_and_its_servers_killed_at_random_lose_and_repeat_nothing(
    connected: Settings, server_control: ServerControl
) -> None:
    chance = random.Random(SEED)
    feed = Feed(connected)
    with watching(connected):
        for kill in range(KILLS):
            feed.topics()
            feed.shop()
            time.sleep(chance.uniform(0.0, 6.0))
            server = chance.choices(SERVERS, weights=(1, 3, 6))[0]
            if server_control.pid(server):
                server_control.kill9(server)
            for needed in ("kafka", "postgres"):
                server_control.wait_until_up(needed)
            if kill == KILLS // 2:
                server_control.stop("postgres")
                feed.topics()
                time.sleep(AWAY_SECONDS)
                server_control.start("postgres")
            if kill % 5 == 0:
                _take(connected)
        server_control.wait_until_up("connect")
        feed.assert_all_arrived()
    with landing(connected):
        landed_and_registered(connected)
    _take(connected)
    (account,) = reconcile_stack(connected).staged
    assert (account.rows, account.missing, account.unexpected, account.pending) == (feed.count, 0, 0, 0)
    print(f"{KILLS} kills, {feed.count} records of each topic, {len(feed.customers)} customers and orders")


def _take(settings: Settings) -> None:
    """Read the records, also while servers restart."""
    try:
        with Lake.open(settings) as lake:
            load(lake, "core.sentiment")
    except Transient:
        return
