"""A damaged landed file is found by its hash and written again from Kafka, even if the process is killed meanwhile."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.operations.reconciliation.stack import reconcile_stack
from headrace.operations.repair import repair
from headrace.streaming.landing.progress import committed_ends, wait_until_landed
from headrace.streaming.runtime import clients
from headrace.warehouse.build import register
from headrace.warehouse.lake import Lake
from tests.integration.landers import TOPIC, environment, landed_and_registered, landing, mixed, produce

RECORDS = 1_200


def landed_files(settings: Settings) -> list[Path]:
    return sorted(settings.landing_root.rglob("*.parquet"))


def flip(file: Path) -> None:
    """Change one byte of the content; name and size stay the same."""
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 0xFF
    file.write_bytes(content)


def rows(settings: Settings) -> list[tuple[object, ...]]:
    """All that is registered, but for the time of landing."""
    found: list[tuple[object, ...]] = []
    with Lake.open(settings, read_only=True) as lake:
        for name in ("raw.orders", "raw.orders_quarantine"):
            select = f"select * exclude (_landed_at) from {name} order by _partition, _offset"
            found += lake.connection.execute(select).fetchall()
    return found


@pytest.mark.parametrize("registers_before", [False, True])
def test_altered_lost_or_cut_files_are_written_again_registered_or_not(fresh: Settings, registers_before: bool) -> None:
    produce(fresh, mixed(RECORDS))
    with landing(fresh):
        landed_and_registered(fresh)
        before = rows(fresh)
        registered = landed_files(fresh)
        produce(fresh, mixed(RECORDS, first=RECORDS))
        assert wait_until_landed(fresh, committed_ends(fresh), timeout=60) == 0
    waiting = [file for file in landed_files(fresh) if file not in registered]
    flip(registered[0])
    registered[1].unlink()
    flip(waiting[0])
    found = reconcile_stack(fresh)
    assert not found.complete
    assert {Path(path).name for path in found.damaged} == {registered[0].name, registered[1].name, waiting[0].name}
    if registers_before:
        with Lake.open(fresh) as lake:
            register(lake, TOPIC)
        found = reconcile_stack(fresh)
        assert not found.sound
        assert any(waiting[0].name in named for named in found.missing_files)

    repaired = {Path(file.path).name for file in repair(fresh)}
    assert repaired == {registered[0].name, registered[1].name, waiting[0].name}
    if not registers_before:
        assert rows(fresh) == before
    with Lake.open(fresh) as lake:
        register(lake, TOPIC)
        register(lake, f"{TOPIC}.dlq")
    assert reconcile_stack(fresh, [TOPIC]).complete
    assert list(repair(fresh)) == []


def test_a_repair_killed_before_its_commit_is_done_again(fresh: Settings) -> None:
    produce(fresh, mixed(RECORDS))
    with landing(fresh):
        landed_and_registered(fresh)
    before = rows(fresh)
    for file in landed_files(fresh):
        flip(file)
    command = [sys.executable, "-m", "headrace", "landing", "repair"]
    doomed = subprocess.run(command, env=environment(fresh, HEADRACE_FAILPOINTS="landing.rewritten=kill"), check=False)
    assert doomed.returncode == -signal.SIGKILL
    again = subprocess.run(command, env=environment(fresh), check=True, capture_output=True, text=True)
    assert again.stdout.count("written again") == len(landed_files(fresh))
    assert rows(fresh) == before
    assert reconcile_stack(fresh, [TOPIC]).complete


def test_what_kafka_no_longer_holds_is_named_with_the_remedy(fresh: Settings) -> None:
    produce(fresh, mixed(RECORDS))
    with landing(fresh):
        landed_and_registered(fresh)
    file = landed_files(fresh)[0]
    flip(file)
    admin = clients.admin(fresh)
    for future in admin.delete_records([TopicPartition(TOPIC, partition, 10) for partition in range(4)]).values():
        future.result()
    with pytest.raises(Terminal, match=r"Kafka keeps orders-\d from offset 10 on") as raised:
        list(repair(fresh))
    assert raised.value.remedy == "Restore it from a backup."
