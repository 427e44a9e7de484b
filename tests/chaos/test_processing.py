"""Every program of both chains is killed at random: the output equals that of an undisturbed run.

`CHAOS_KILLS` (30 by default) says how often, `CHAOS_SEED` repeats a run.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice

from headrace.cases.data_science.processors.sentiment_scorer import SentimentScorer
from headrace.cases.ecommerce.processors.behavior_scorer import BehaviorScorer
from headrace.cases.ecommerce.processors.order_extractor import OrderExtractor
from headrace.contracts.delivery import DELIVERIES
from headrace.contracts.settings import Settings
from headrace.streaming.connect.delivered import undelivered
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.processing import changelog
from headrace.streaming.runtime.processing.progress import wait_until_processed
from tests.integration.conftest import ServerControl
from tests.integration.instance_process import PINNED
from tests.integration.landers import LanderProcess, landed_and_registered
from tests.integration.processor_instances import Instance, reading_along
from tests.integration.stories import send, story
from tests.integration.test_connect import deliveries, eventually, watching
from tests.integration.undisturbed import assert_as_undisturbed

KILLS = int(os.environ.get("CHAOS_KILLS", "30"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
CHAINS = (OrderExtractor.name, BehaviorScorer.name, SentimentScorer.name)
"""The processors, each after those whose output it reads."""
SERVERS = ("kafka", "postgres", "connect")
SERVER_SHARE = 0.1
SETTLING_SECONDS = 120.0


class Fire:
    """What is killed, and how it is started again."""

    def __init__(self, settings: Settings, servers: ServerControl) -> None:
        self._settings = settings
        self._servers = servers
        self._instances: dict[tuple[str, int], Instance] = {}
        self._lander: LanderProcess | None = None
        self.kill: dict[str, Callable[[], None]] = {
            "kafka": lambda: self._kill_server("kafka"),
            "postgres": lambda: self._kill_server("postgres"),
            "connect": lambda: self._kill_server("connect"),
            "lander": self._kill_lander,
        }
        for name in CHAINS:
            for index in (0, 1):
                self.kill[f"{name}-{index}"] = lambda key=(name, index): self._instances[key].kill9()

    def start_what_has_ended(self) -> None:
        """As the supervisor does."""
        for name in CHAINS:
            for index in (0, 1):
                running = self._instances.get((name, index))
                if running is None or running.has_ended:
                    self._instances[name, index] = Instance(self._settings, index, processor=name)
        if self._lander is None or self._lander.process.poll() is not None:
            self._lander = LanderProcess(self._settings)

    def put_out(self) -> None:
        """End everything."""
        for each in self._instances.values():
            each.kill9()
        if self._lander is not None:
            self._lander.kill9()

    def _kill_server(self, name: str) -> None:
        self._servers.kill9(name)  # pyright: ignore[reportArgumentType]
        self._servers.wait_until_up(name)  # pyright: ignore[reportArgumentType]

    def _kill_lander(self) -> None:
        assert self._lander is not None
        self._lander.kill9()


def test_both_chains_under_random_kills_give_the_output_of_an_undisturbed_run(
    connected: Settings, server_control: ServerControl
) -> None:
    chance = random.Random(SEED)
    processors = [PINNED[name]() for name in CHAINS]
    # A tombstone names no source: in a topic with two writers, its writer cannot be determined.
    stories = [(record for record in story(name, SEED) if record.value is not None) for name in CHAINS]
    for each in processors:
        changelog.create(clients.admin(connected), each.name, each.inputs)
    fire, killed, count = Fire(connected, server_control), Counter[str](), 0
    with ExitStack() as readers, watching(connected):
        seen = {each.name: readers.enter_context(reading_along(connected, each.output)) for each in processors}
        try:
            while killed.total() < KILLS:
                fire.start_what_has_ended()
                for _ in range(chance.randrange(2, 12)):
                    count += send(connected, [record for each in stories for record in islice(each, 20)])
                    time.sleep(chance.uniform(0.05, 0.4))
                servers = chance.random() < SERVER_SHARE
                name = chance.choice([each for each in fire.kill if (each in SERVERS) == servers])
                fire.kill[name]()
                killed[name] += 1
            deadline = time.monotonic() + SETTLING_SECONDS
            for each in processors:
                while not wait_until_processed(connected, each, timeout=5.0):
                    fire.start_what_has_ended()
                    assert time.monotonic() < deadline, f"{each.name} does not catch up"
            fire.start_what_has_ended()
            landed = landed_and_registered(connected)
            eventually(lambda: sum(undelivered(connected, each) for each in DELIVERIES.values()), 0, SETTLING_SECONDS)
        finally:
            fire.put_out()
    # Dead letters land too, but this test does not register them.
    assert landed.sound
    assert not landed.total("pending")
    for each in deliveries(connected).values():
        assert each.rows == each.live > 0, each
        assert (each.lost, each.pending, each.unexpected) == (0, 0, 0), each
    for each in processors:
        assert_as_undisturbed(connected, each, seen[each.name])
    print(f"{killed.total()} kills ({dict(sorted(killed.items()))}) over {count} records")
