"""The daily rescoring: inactive customers get one new score, even under concurrent changes."""

import subprocess
import sys

import msgspec

from headrace.cases.ecommerce.models.behavior.rescoring import SOURCE, TOPIC
from headrace.cases.ecommerce.topics.customer_behavior import CustomerBehavior
from headrace.contracts.decoding import decode, encode
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.operations.rescoring import rescore
from headrace.streaming.runtime import clients
from headrace.warehouse.lake import Lake
from tests.integration.behavior_values import BEHAVIOR
from tests.integration.building import ROOT, build_from
from tests.integration.landed import Landing
from tests.integration.landers import environment
from tests.integration.processor_instances import read_all, wait_for_settled
from tests.integration.samples import at, order

_KILLED = "from headrace.contracts.settings import Settings; from headrace.operations.rescoring import rescore; \
from headrace.warehouse.lake import Lake; settings = Settings(); rescore(settings, Lake.open(settings))"


def _scores(settings: Settings) -> list[tuple[bytes | None, CustomerBehavior]]:
    rows = read_all(settings, TOPIC, TOPICS[TOPIC].partitions)
    return [(key, decode(CustomerBehavior, value)) for _, key, value in rows if value is not None]


def test_silent_customers_are_scored_as_of_the_latest_order_all_or_none_and_once(fresh: Settings) -> None:
    landing = Landing(fresh)
    line = ("A", 2, "2.50")
    orders = [
        order("1", line, customer_id="silent", time=at(days=0)),
        order("2", line, line, customer_id="silent", time=at(days=10)),
        order("3", line, customer_id="active", time=at(days=40)),
        order("4", line, customer_id=None, time=at(days=5)),
    ]
    landing.land("orders", orders)
    build_from(fresh, "orders")

    killed = subprocess.run(
        [sys.executable, "-c", _KILLED],
        env=environment(fresh, HEADRACE_FAILPOINTS="rescoring.flushed=kill", PYTHONPATH=str(ROOT)),
        cwd=ROOT,
        check=False,
    )
    assert killed.returncode == -9
    with Lake.open(fresh) as lake:
        assert rescore(fresh, lake) == ("rfm-rule", 1)
        assert rescore(fresh, lake) == ("rfm-rule", 1)
    wait_for_settled(fresh, TOPIC)
    scores = _scores(fresh)
    assert [key for key, _ in scores] == [b"silent", b"silent"], "nothing of the one that was killed"
    (first, again) = (event for _, event in scores)
    assert first.event_id == again.event_id
    assert (first.orders, first.recency_days, first.tenure_days, first.monetary_value) == (2, 30.0, 40.0, "15.0000")
    assert first.feature_cutoff == first.event_time == at(days=40)


def test_concurrent_updates_by_the_stream_are_not_overwritten(fresh: Settings) -> None:
    landing = Landing(fresh)
    line = ("A", 2, "2.50")
    orders = [order(name, line, customer_id=name, time=at(days=0)) for name in ("same", "newer", "unknown")]
    landing.land("orders", [*orders, order("last", line, customer_id="active", time=at(days=40))])
    build_from(fresh, "orders")
    known = msgspec.structs.replace(BEHAVIOR, source="stream", orders=1, monetary_value="5.0000", currency="GBP")
    client = clients.producer(fresh)
    for event in (
        msgspec.structs.replace(known, event_id="a", customer_id="same"),
        # The warehouse has not seen this customer's second order yet.
        msgspec.structs.replace(known, event_id="b", customer_id="newer", orders=2, monetary_value="10.0000"),
    ):
        client.produce(TOPIC, encode(event), event.customer_id.encode())
    assert client.flush(30) == 0
    with Lake.open(fresh) as lake:
        assert rescore(fresh, lake) == ("rfm-rule", 2)
    wait_for_settled(fresh, TOPIC)
    last = dict(_scores(fresh))
    assert {key: event.source for key, event in last.items()} == {
        b"same": SOURCE, b"unknown": SOURCE, b"newer": "stream",
    }  # fmt: skip
