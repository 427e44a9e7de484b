"""The fixtures that every other integration test uses."""

import time

import psycopg
import pytest
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, ResourceType

from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.streaming.runtime.clients import admin, producer
from headrace.streaming.runtime.reading import committed_records
from headrace.streaming.runtime.topics import create_topics, topic_ids
from tests.integration.conftest import ServerControl, recreate_topics


def test_a_test_starts_with_the_contracts_topics_all_empty(fresh: Settings) -> None:
    known = admin(fresh).list_topics(timeout=10).topics
    assert {name for name in known if not name.startswith("__")} == set(TOPICS)
    assert {name: len(known[name].partitions) for name in TOPICS} == {t.name: t.partitions for t in TOPICS.values()}


def test_recreated_topics_have_new_ids(servers: Settings, fresh: Settings) -> None:
    client = admin(fresh)
    before = topic_ids(client, TOPICS)
    sender = producer(fresh)
    for name in TOPICS:
        sender.produce(name, b"{}", key=b"1")  # a compacted topic takes no record without a key
    assert sender.flush(10) == 0
    recreate_topics(servers)
    after = topic_ids(client, TOPICS)
    assert before.keys() == after.keys() == set(TOPICS)
    assert not set(before.values()) & set(after.values())


def test_only_topics_without_any_record_are_kept(servers: Settings, fresh: Settings) -> None:
    client = admin(fresh)
    before = topic_ids(client, TOPICS)
    sender = producer(fresh)
    sender.produce("orders", b"{}")
    assert sender.flush(10) == 0
    client.create_partitions([NewPartitions("web_logs", TOPICS["web_logs"].partitions + 1)])["web_logs"].result()
    recreate_topics(servers)
    after = topic_ids(client, TOPICS)
    assert {name for name in TOPICS if before[name] != after[name]} == {"orders", "web_logs"}


@pytest.mark.parametrize("clients_time", [-1, -6_795_364_578_871, 1, 32_503_680_000_000])
def test_records_have_the_brokers_time_and_not_their_clients(fresh: Settings, clients_time: int) -> None:
    client, topic = admin(fresh), TOPICS["orders"]
    kept = ConfigEntry("message.timestamp.type", "CreateTime", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=[kept])
    client.incremental_alter_configs([resource])[resource].result()
    assert create_topics(client, [topic]) == []  # what `headrace up` does to topics that are there
    sender = producer(fresh)
    before = int(time.time() * 1_000)
    sender.produce(topic.name, b"{}", partition=0, timestamp=clients_time)
    assert sender.flush(10) == 0
    (record,) = committed_records(fresh, topic.name, 0, 1)
    kind, at = record.timestamp()
    assert kind == TIMESTAMP_LOG_APPEND_TIME
    assert before - 1_000 <= at <= int(time.time() * 1_000) + 1_000


def test_killed_servers_come_back_with_what_they_held(fresh: Settings, server_control: ServerControl) -> None:
    sender = producer(fresh)
    sender.produce("orders", b"{}", partition=0)
    assert sender.flush(10) == 0
    with psycopg.connect(fresh.conninfo(), autocommit=True) as db:
        db.execute("create table kept as select 1 as one")
    for server in ("kafka", "postgres"):
        pid = server_control.pid(server)
        server_control.kill9(server)
        server_control.wait_until_up(server)
        assert server_control.pid(server) != pid
    with psycopg.connect(fresh.conninfo()) as db:
        assert db.execute("select one from kept").fetchall() == [(1,)]
    assert topic_ids(admin(fresh), ["orders"])


def test_a_stopped_server_stays_down_until_it_is_started(fresh: Settings, server_control: ServerControl) -> None:
    from headrace.stack.postgres import server_answers

    server_control.stop("postgres")
    assert not server_answers(fresh)
    server_control.start("postgres")
    assert server_answers(fresh)
