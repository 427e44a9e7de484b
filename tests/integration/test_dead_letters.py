"""Dead letters on the real broker: listed, shown, and replayed once, however often a replay is killed or run again."""

import json
import signal
import subprocess
import sys
from typing import Any

from headrace.contracts import dead_letters as headers
from headrace.contracts.settings import Settings
from headrace.streaming.runtime import clients
from tests.corpus import valid_order
from tests.integration.instance_process import Numbering
from tests.integration.landers import environment
from tests.integration.processor_instances import instance, read_all, state, wait_for_inputs
from tests.integration.stories import InputRecord, send

LETTERS = 650
"""More than three portions of a replay."""


def dlq(settings: Settings, *arguments: str, failpoints: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "headrace", "dlq", *arguments]
    given = environment(settings, HEADRACE_FAILPOINTS=failpoints)
    return subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=120)


def asked(settings: Settings, *arguments: str) -> Any:
    run = dlq(settings, *arguments, "--json")
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def refuse(settings: Settings, value: bytes, key: bytes, number: int, stage: str = "processor:numbering") -> None:
    """Write a dead letter as a processor did that has been fixed since."""
    named = {headers.REASON: "processor error: KeyError", headers.STAGE: stage, headers.TOPIC: "orders"}
    named |= {headers.PARTITION: "1", headers.OFFSET: str(number), "own": "header"}
    producer = clients.producer(settings, **{"linger.ms": 1})
    producer.produce("orders.dlq", value, key, headers=[(name, text.encode()) for name, text in named.items()])
    assert producer.flush(30) == 0


def test_dead_letters_are_replayed_once_however_often_a_replay_is_killed_or_run(fresh: Settings) -> None:
    send(fresh, [InputRecord("orders.dlq", b"C1", valid_order(number)) for number in range(LETTERS - 3)])
    refuse(fresh, valid_order(LETTERS - 3), b"C1", LETTERS - 3)
    refuse(fresh, b"{no json", b"C1", LETTERS - 2)
    refuse(fresh, valid_order(LETTERS - 1), b"C1", LETTERS - 1, stage="connect:sink")

    assert asked(fresh, "replay", "orders", "--stage", "connect") == {
        "topic": "orders",
        "dry_run": False,
        "replayed": 1,
        "left": {},
    }
    for step in ("produced", "committed"):
        killed = dlq(fresh, "replay", "orders", failpoints=f"replay.{step}=kill@2")
        assert killed.returncode == -signal.SIGKILL
    again = asked(fresh, "replay", "orders", "--dry-run")
    assert again["replayed"] == asked(fresh, "replay", "orders.dlq")["replayed"] > 0
    last = asked(fresh, "replay", "orders")
    assert (last["replayed"], last["left"]["replayed before"]) == (0, LETTERS - 1)
    assert [why for why in last["left"] if why.startswith("still invalid")]

    order_ids = [json.loads(value or b"{}")["order_id"] for _, _, value in read_all(fresh, "orders", 4)]
    assert sorted(order_ids, key=int) == [str(number) for number in range(LETTERS) if number != LETTERS - 2]
    # Each is processed once, and a record that is refused again is a new letter, which says where it comes from.
    send(fresh, [InputRecord("orders", b"C1", valid_order(1))])
    with instance(fresh) as running:
        books = wait_for_inputs(fresh, LETTERS)
        running.finish()
    assert sum(each.outputs for each in books.values()) == LETTERS
    kept = state(fresh, Numbering.name, "orders")
    assert [(key, value) for (_, key), value in kept.items()] == [(b"17850", b"%d" % LETTERS)]


def test_letters_are_listed_without_their_payload_and_shown_with_it(fresh: Settings) -> None:
    refuse(fresh, b"{secret \x1b", b"C1", 0)
    refuse(fresh, valid_order(1), b"C2", 1, stage="[/bold]")
    overview = {each["topic"]: each for each in asked(fresh, "list")}
    assert (overview["orders"]["letters"], overview["orders"]["replayed"], len(overview)) == (2, 0, 8)
    assert overview["orders"]["reasons"]["processor:numbering: processor error: KeyError"] == 1
    (row,) = asked(fresh, "list", "orders", "--stage", "numbering")
    assert (row["offset"], row["origin"], row["bytes"], row["replayed"]) == (0, "orders/1/0", 9, False)
    for arguments in (("list",), ("list", "orders")):
        plain = dlq(fresh, *arguments)
        assert (plain.returncode, "secret" in plain.stdout) == (0, False), plain.stderr
    shown = dlq(fresh, "show", "orders", "0")
    assert "payload: {secret \\x1b" in shown.stdout
    assert "  own: header" in shown.stdout
    raw = [sys.executable, "-m", "headrace", "dlq", "show", "orders", "0", "--raw"]
    assert subprocess.run(raw, env=environment(fresh), capture_output=True, check=True).stdout == b"{secret \x1b"
    missing = dlq(fresh, "show", "orders", "99")
    assert (missing.returncode, "headrace dlq list orders" in missing.stderr) == (1, True)
    unknown = dlq(fresh, "list", "order")
    assert (unknown.returncode, "There are: customer_behavior" in unknown.stderr) == (1, True)
