"""A contract that evolves on the real broker: records of three versions land, build and are replayed as one."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast, get_type_hints

import msgspec
import orjson
import pytest
from confluent_kafka import TopicPartition

from headrace.cases.data_science.topics.weather_data import WeatherObservation
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.contracts.types import Event, Integer
from headrace.contracts.versions import VERSION_HEADER, Upcast, Upcaster, versioned
from headrace.operations.repair import repair
from headrace.stack import contract_history
from headrace.streaming.landing.lander import Lander
from headrace.streaming.landing.progress import committed_ends, wait_until_landed
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.careful.memory import MemoryGuard
from headrace.streaming.runtime.dead_letters import replay
from headrace.streaming.runtime.dead_letters.letters import Criteria
from headrace.warehouse.build import register
from headrace.warehouse.lake import Lake
from tests.integration.building import build_from

TOPIC = "weather_data"
RENAME = Upcast({"temperature_c": "temp"}, {}, {"temperature_c": "number"})
CONDITION = Upcast({}, {"condition": "unknown"})


def contract(upcasters: list[Upcaster], *, without: tuple[str, ...] = ()) -> type[Event]:
    """The observation's contract with these upcasters; `temp` is a whole number that `temperature_c` replaced."""
    hints = get_type_hints(WeatherObservation, include_extras=True)
    own = [name for name in WeatherObservation.__struct_fields__ if name not in Event.__struct_fields__]
    fields: list[Any] = [(name, hints[name], *_default(name)) for name in own if name not in without]
    if "temperature_c" in without:
        fields.append(("temp", Integer | None, None))
    made = msgspec.defstruct("Weather", fields, bases=(Event,), kw_only=True, frozen=True)
    return cast("type[Event]", versioned(len(upcasters) + 1, dict(enumerate(upcasters, 1)))(made))


def _default(name: str) -> tuple[Any, ...]:
    return () if name in ("station", "period_s") else (None,)


FIRST = contract([], without=("temperature_c", "condition"))
SECOND = contract([RENAME], without=("condition",))
THIRD = contract([RENAME, CONDITION])
BREAKING = contract([], without=("condition",))


def send(settings: Settings, number: int, version: int, topic: str = TOPIC, **fields: Any) -> None:
    """Send one observation in a version."""
    producer = clients.producer(settings, **{"linger.ms": 1})
    base = {"event_id": str(number), "event_time": f"2026-03-01T{number:02}:00:00Z", "source": "gauge"}
    value = orjson.dumps({**base, "station": f"S{number}", "period_s": 3600, **fields})
    headers: list[tuple[str, str | bytes | None]] = [(VERSION_HEADER, str(version).encode())] if version > 1 else []
    producer.produce(topic, value, f"S{number}".encode(), headers=headers)
    assert producer.flush(30) == 0


@contextmanager
def landing(settings: Settings) -> Iterator[None]:
    """A lander for the length of a block, at whose end everything has landed."""
    lander = Lander(settings.model_copy(update={"landing_flush_seconds": 0.2}), topics=(TOPIC,))
    thread = threading.Thread(target=lander.run)
    thread.start()
    try:
        yield
        ends = stable_ends(settings)
        assert wait_until_landed(settings, ends, timeout=60) == 0
    finally:
        lander.stop()
        thread.join()


def stable_ends(settings: Settings) -> dict[tuple[str, int], int]:
    """The topic's ends, once the broker has written the markers of all transactions, which it does after a commit."""
    client = clients.consumer(settings, "ends", **{"isolation.level": "read_uncommitted"})
    try:
        deadline = time.monotonic() + 30
        while True:
            ends = {key: end for key, end in committed_ends(settings).items() if key[0] == TOPIC}
            if ends == {key: client.get_watermark_offsets(TopicPartition(*key), timeout=10)[1] for key in ends}:
                return ends
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        client.close()


def test_records_of_three_versions_land_and_build_right_and_so_do_replayed_ones(
    fresh: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The lander runs in this process, which the guard would end for the memory that other tests took.
    monkeypatch.setattr(MemoryGuard, "start", lambda _guard: False)

    def become(contract: type[Event]) -> None:
        monkeypatch.setitem(TOPICS, TOPIC, replace(TOPICS[TOPIC], contract=contract))
        monkeypatch.setattr(contract_history, "EVENT_TOPICS", (TOPICS[TOPIC],))

    def started(_: object = None) -> bool:
        return True

    # The first version: one file is registered before the change, one only after it.
    become(FIRST)
    contract_history.keep(fresh)
    send(fresh, 1, 1, temp=1)
    with landing(fresh):
        pass
    with Lake.open(fresh) as lake:
        register(lake, TOPIC)
        assert lake.value("select temp from raw.weather_data") == 1
    send(fresh, 2, 1, temp=2)
    with landing(fresh):
        pass

    become(BREAKING)
    with pytest.raises(Terminal, match="Raise the version to 2 and add an upcaster from version 1"):
        contract_history.require_compatible(fresh, started)
    become(SECOND)
    contract_history.require_compatible(fresh, started)
    contract_history.keep(fresh)
    become(THIRD)
    contract_history.require_compatible(fresh, started)

    # Then records of all versions, in one flush; one of a version that is not known yet.
    send(fresh, 3, 1, temp=3)
    send(fresh, 4, 2, temperature_c=4.5)
    send(fresh, 5, 3, temperature_c=5.5, condition="rain")
    send(fresh, 6, 4, temperature_c=6.5)
    with landing(fresh):
        pass
    build_from(fresh, TOPIC)
    assert built(fresh) == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.5), (5, 5.5)]
    with Lake.open(fresh) as lake:
        reasons = lake.connection.sql("select _reason from raw.weather_data_quarantine").fetchall()
        assert [reason.startswith("version 4 is newer than the contract's version 3") for (reason,) in reasons] == [
            True
        ]

    # Dead letters of earlier versions are written in the current one.
    send(fresh, 7, 1, f"{TOPIC}.dlq", temp=7)
    send(fresh, 8, 2, f"{TOPIC}.dlq", temperature_c=8.5)
    send(fresh, 9, 4, f"{TOPIC}.dlq", temperature_c=9.5)
    assert replay.replay(fresh, TOPIC, Criteria()).replayed == 2
    with landing(fresh):
        pass
    build_from(fresh, TOPIC)
    rows = built(fresh)
    assert rows[5:] == [(7, 7.0), (8, 8.5)]
    assert conditions(fresh) == {"unknown": 6, "rain": 1}
    build_from(fresh, TOPIC, full=True)
    assert built(fresh) == rows
    assert conditions(fresh) == {"unknown": 6, "rain": 1}

    # DuckLake would look for the old name in a file that is written again.
    earliest = min((fresh.landing_root / TOPIC).rglob("*.parquet"))
    earliest.write_bytes(earliest.read_bytes() + b"x")
    with pytest.raises(Terminal, match="landed before temp was renamed"):
        list(repair(fresh, (TOPIC,)))


def built(settings: Settings) -> list[tuple[int, float]]:
    with Lake.open(settings) as lake:
        query = "select hour(observed_at), temperature_c from core.weather order by 1"
        return lake.connection.sql(query).fetchall()


def conditions(settings: Settings) -> dict[str, int]:
    with Lake.open(settings) as lake:
        return dict(lake.connection.sql("select condition, count(*) from core.weather group by 1").fetchall())
