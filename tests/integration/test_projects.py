"""A project's own processors and sources on the real broker: found in its folder, without a line elsewhere."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.contracts import packages
from headrace.contracts.decoding import decode, encode
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.stack.programs import programs
from headrace.streaming.processors.registry import all_processors
from headrace.streaming.runtime import access
from headrace.streaming.runtime.processing.progress import processor_accounts, read_ledgers, wait_until_processed
from tests.integration.landers import environment
from tests.integration.processor_instances import read_all
from tests.integration.samples import order
from tests.integration.stories import InputRecord, send

PROCESSOR = '''
"""Orders to customer behavior: how many orders a customer has."""

from headrace.contracts.topics import TOPICS
from headrace.contracts.types import derived_id
from headrace.streaming.runtime.processing.processor import Output, Result

Scored = TOPICS["customer_behavior"].contract


class OrderCounter:
    name = "order-counter"
    inputs = ("orders",)
    output = "customer_behavior"
    state_version = 1

    def process(self, topic, records, state, now):
        result = Result()
        for record in records:
            event, key = record.event, record.event.customer_id.encode()
            number = int(state.get(key) or 0) + 1
            state.put(key, b"%d" % number)
            made = Scored(
                event_id=derived_id("count", event.event_id), event_time=event.event_time, source=self.name,
                customer_id=event.customer_id, feature_cutoff=event.event_time, orders=number, returns=0,
                monetary_value="0", repurchase_probability=0.5, segment="any", model_version="none", scored_at=now,
            )
            result.outputs.append(Output(key, made))
            result.used += 1
        return result
'''
SOURCE = """
class Tides:
    name = "tides"
    topics = ("weather_data",)
    stream = "harbour"

    def read(self, position):
        return iter(())
"""
MAPPING = """topic = "weather_data"
source = "harbour"
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """A project that is active in this process, too."""
    folder = tmp_path / "my-shop"
    files = {
        "headrace.toml": "",
        "processors/order_counter.py": PROCESSOR,
        "sources/tides.py": SOURCE,
        "sources/mappings/harbour.toml": MAPPING,
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    with packages.using(*packages.active(), packages.project(folder)):
        yield folder


def test_a_projects_processor_runs_and_is_accounted_for_like_the_built_in_ones(fresh: Settings, project: Path) -> None:
    made = all_processors()["order-counter"]
    assert "order-counter-0" in [each.name for each in programs(fresh)]
    allowed = {(rule.resource.name, rule.name) for rule in access.rules(fresh) if rule.user == "processor"}
    assert ("GROUP", f"{fresh.database}-order-counter") in allowed
    orders = [order(str(number), customer_id=f"C{number % 3}") for number in range(30)]
    send(fresh, [InputRecord("orders", (each.customer_id or "").encode(), encode(each)) for each in orders])
    command = [sys.executable, "-m", "headrace", "processor", "run", "order-counter"]
    with subprocess.Popen(command, env=environment(fresh, HEADRACE_PROJECT=str(project))) as running:
        try:
            assert wait_until_processed(fresh, made(), timeout=60)
        finally:
            running.terminate()
    assert running.returncode == 0
    books = read_ledgers(fresh, made()).values()
    assert (sum(each.inputs for each in books), all(each.balanced for each in books)) == (30, True)
    assert {each.processor for each in processor_accounts(fresh, [made()])} == {"order-counter"}
    contract = TOPICS["customer_behavior"].contract
    assert contract is not None
    found = [
        decode(contract, value or b"")
        for *_, value in read_all(fresh, "customer_behavior", TOPICS["customer_behavior"].partitions)
    ]
    assert Counter(each.source for each in found) == {"order-counter": 30}


def test_a_projects_sources_and_mappings_are_listed_beside_the_built_in_ones(fresh: Settings, project: Path) -> None:
    command = [sys.executable, "-m", "headrace", "sources", "--json"]
    listed = json.loads(subprocess.check_output(command, env=environment(fresh, HEADRACE_PROJECT=str(project))))
    names = {(each["kind"], each["name"]) for each in listed}
    assert {("live", "tides"), ("mapping", "harbour"), ("live", "access-log")} <= names
