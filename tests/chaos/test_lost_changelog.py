"""A changelog loses its end in a power cut, including a transaction's marker. Slow: it waits for timeouts."""

import shutil

from headrace.contracts.settings import Settings
from headrace.streaming.runtime.processing.changelog import changelog_topic
from tests.integration.conftest import ServerControl
from tests.integration.power_cuts import power_cut
from tests.integration.processor_instances import instance, state
from tests.integration.test_lost_ends import TOPIC, send_orders, wait_for_ledger

DEADLINE_SECONDS = 240.0


def test_a_changelog_that_lost_its_end_holds_all_of_the_state_in_the_end(
    fresh: Settings, server_control: ServerControl
) -> None:
    changelog = changelog_topic("numbering", TOPIC).name
    with instance(fresh) as first:
        for begin in range(0, 200, 20):
            send_orders(fresh, begin, 20)
            wait_for_ledger(fresh, begin + 20, first)
        # Two records and a marker are a transaction: the second one has lost its marker.
        power_cut(server_control, {(changelog, 0): 5})
        send_orders(fresh, 200, 100)
        _, last = wait_for_ledger(fresh, 300, first, DEADLINE_SECONDS)
        last.kill9()
    shutil.rmtree(fresh.root / "state")
    with instance(fresh) as restored:
        send_orders(fresh, 300, 1)
        wait_for_ledger(fresh, 301, restored, DEADLINE_SECONDS)
    assert state(fresh, "numbering", TOPIC) == {(0, b"C1"): b"301"}
