"""The fixtures that every other integration test stands on."""

import psycopg

from contracts.settings import Settings
from contracts.topics import TOPICS
from streaming.runtime.clients import admin, producer
from streaming.runtime.topics import topic_ids
from tests.integration.conftest import ServerControl, recreate_topics


def test_a_test_starts_with_the_contracts_topics_all_empty(fresh: Settings) -> None:
    known = admin(fresh).list_topics(timeout=10).topics
    assert {name for name in known if not name.startswith("__")} == set(TOPICS)
    assert {name: len(known[name].partitions) for name in TOPICS} == {t.name: t.partitions for t in TOPICS.values()}


def test_recreated_topics_have_new_ids(servers: Settings, fresh: Settings) -> None:
    client = admin(fresh)
    before = topic_ids(client, TOPICS)
    sender = producer(fresh)
    sender.produce("orders", b"{}")
    assert sender.flush(10) == 0
    recreate_topics(servers)
    after = topic_ids(client, TOPICS)
    assert before.keys() == after.keys() == set(TOPICS)
    assert not set(before.values()) & set(after.values())


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


def test_a_stopped_server_stays_away_until_it_is_started(fresh: Settings, server_control: ServerControl) -> None:
    from headrace.stack.postgres import server_answers

    server_control.stop("postgres")
    assert not server_answers(fresh)
    server_control.start("postgres")
    assert server_answers(fresh)
