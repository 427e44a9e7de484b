"""A stranger's file in the topics: the guide is followed, and a file that was cut short or ingested again is safe."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from time import monotonic, sleep

from headrace.cases.ecommerce.topics.orders import Order
from headrace.contracts import dead_letters
from headrace.contracts.decoding import decode
from headrace.contracts.settings import Settings
from tests.integration.landers import environment
from tests.integration.test_sources import HEADRACE, headers, read_back
from tests.pages import Shell

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "load-your-own-files.md"
ORDERS = 30_000
MAPPING = """
topic = "orders"
source = "shop"
rows.group_by = "Order"
[fields]
order_id = "Order"
event_time = "Date"
currency = { constant = "EUR" }
channel = { constant = "store" }
kind = { constant = "order" }
total = { generate = "sum" }
[lines]
sku = "Item"
quantity = "Qty"
unit_price = "Price"
"""


def test_the_guide_to_files_loads_orders_that_count_once(fresh: Settings, tmp_path: Path) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    assert Shell(tmp_path, environment(fresh) | {"PATH": path}).follow(PAGE) == []
    events = [decode(Order, message.value() or b"") for message in read_back(fresh, "orders")]
    assert len(events) == 5
    assert {event.event_id: Decimal(event.total) for event in events}.keys() == {event.event_id for event in events}
    totals = {event.order_id: Decimal(event.total) for event in events}
    assert totals == {"1001": 1012, "1002": Decimal("4.50"), "1003": 9}
    assert len({event.event_id for event in events}) == 3
    assert "example.com" not in str(events)
    (letter,) = read_back(fresh, "orders.dlq")
    assert letter.value() == "1002;04.03.2026 11:30;bob@example.com;Mug;one;4,50 €".encode()
    assert headers(letter) == {
        dead_letters.REASON: "quantity is not a number (column Quantity)",
        dead_letters.STAGE: "source:file",
        dead_letters.TOPIC: "orders",
        dead_letters.POSITION: "orders.csv:6",
    }


def test_a_file_whose_ingest_was_killed_is_complete_when_repeated(fresh: Settings, tmp_path: Path) -> None:
    rows = (f"{number},2026-03-01,Mug,1,{number % 100}.50\n" for number in range(ORDERS))
    (tmp_path / "orders.csv").write_text("Order,Date,Item,Qty,Price\n" + "".join(rows))
    (tmp_path / "map.toml").write_text(MAPPING)
    command = [*HEADRACE, "ingest", "file", "orders.csv", "--map", "map.toml", "--json"]
    started = subprocess.Popen(command, cwd=tmp_path, env=environment(fresh), stdout=subprocess.DEVNULL)
    deadline = monotonic() + 60
    while not read_back(fresh, "orders") and started.poll() is None and monotonic() < deadline:
        sleep(0.05)
    started.send_signal(signal.SIGKILL)
    started.wait()
    before = len(read_back(fresh, "orders"))

    done = subprocess.run(command, cwd=tmp_path, env=environment(fresh), capture_output=True, check=True, timeout=120)
    assert json.loads(done.stdout) == {"input": ORDERS, "accepted": ORDERS, "rejected": 0, "ignored": 0}
    copies = Counter(message.value() for message in read_back(fresh, "orders", at_least=before + ORDERS))
    assert len(copies) == ORDERS
    assert set(copies.values()) <= {1, 2}
    assert len({decode(Order, value or b"").event_id for value in copies}) == ORDERS
