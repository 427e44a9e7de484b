"""The connectors as declared, how a worker is brought to this state, and when a failed connector is restarted."""

import itertools
import json
from pathlib import Path
from uuid import UUID

import pytest

from headrace.cases.data_science.topics.customer_sentiment import CustomerSentiment
from headrace.cases.ecommerce.topics.orders import Order
from headrace.contracts.delivery import DELIVERIES, SERVING, STAGING, connect_schema, table_sql
from headrace.contracts.fields import fields_of
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.streaming.connect.applying import Change, plan
from headrace.streaming.connect.connectors import (
    CUSTOMERS_SOURCE,
    ORDERS_SOURCE,
    Config,
    declared,
    sink_name,
    slot_name,
)
from headrace.streaming.connect.watching import LAST_DELAY_SECONDS, STEADY_SECONDS, BackOff
from headrace.streaming.runtime.versions import version_headers
from tests import versioned

IDS = dict.fromkeys(DELIVERIES, UUID(int=7))


def connectors(**given: object) -> dict[str, Config]:
    return declared(Settings.model_validate({"home": Path("/nowhere"), **given}), IDS)


def test_the_connect_schema_says_what_the_contract_says() -> None:
    schema = connect_schema(CustomerSentiment)
    fields = {field["field"]: field for field in schema["fields"]}
    assert list(fields) == [field.name for field in fields_of(CustomerSentiment)]
    assert fields["event_id"] == {
        "field": "event_id",
        "type": "string",
        "optional": False,
        "parameters": {"min_length": "1", "max_length": "256"},
    }
    assert fields["negative"]["optional"]
    assert fields["negative"]["parameters"] == {"minimum": "0.0", "maximum": "1.0"}
    assert fields["deleted"] == {"field": "deleted", "type": "boolean", "optional": False, "default": False}
    assert set(fields["label"]["parameters"]["choices"].split("|")) == {"negative", "neutral", "positive"}
    assert fields["scored_at"]["parameters"] == {"kind": "time"}


def test_a_contract_with_a_list_cannot_be_delivered_into_a_table() -> None:
    with pytest.raises(TypeError, match="lines is a list"):
        connect_schema(Order)


def test_money_is_exact_and_times_are_times_in_postgresql() -> None:
    sql = table_sql(SERVING)
    assert "monetary_value numeric(38, 4) not null" in sql
    assert "event_time timestamptz not null" in sql
    assert "recency_days double precision;" in sql, "a field that is optional in the contract may be null"


def test_no_configuration_holds_a_secret_or_reads_what_was_aborted() -> None:
    found = connectors()
    for config in found.values():
        passwords = [value for name, value in config.items() if name.endswith("password")]
        role = config.get("database.user") or config["connection.username"]
        assert passwords == [f"${{file:/nowhere/secrets/connect/connect.properties:{role}}}"]
        assert role == ("headrace_sink" if "connection.url" in config else "headrace_capture")
    for delivery in DELIVERIES.values():
        sink = found[sink_name(delivery)]
        assert sink["consumer.override.isolation.level"] == "read_committed"
        assert sink["errors.deadletterqueue.topic.name"] in TOPICS
        assert sink["transforms.position.static.value"] == str(UUID(int=7))
        assert json.loads(sink["value.converter.schema.content"]) == connect_schema(delivery.contract)


def test_a_postgresql_of_the_users_own_is_where_connectors_go() -> None:
    found = connectors(
        postgres_conninfo="host=db.internal port=5433 user=me", database="mine", connect_password="${env:X}"
    )
    sink = found[sink_name(STAGING)]
    assert sink["connection.url"] == "jdbc:postgresql://db.internal:5433/mine?stringtype=unspecified"
    assert (sink["connection.username"], sink["connection.password"]) == ("me", "${env:X}")
    source = found[CUSTOMERS_SOURCE]
    assert (source["database.hostname"], source["database.port"], source["database.dbname"]) == (
        "db.internal",
        "5433",
        "shop",
    )


def test_without_a_user_in_the_string_each_connector_logs_in_as_its_role() -> None:
    found = connectors(postgres_conninfo="host=db.internal", connect_password="${file:/etc/connect.properties:{role}}")
    sink, source = found[sink_name(STAGING)], found[CUSTOMERS_SOURCE]
    assert (sink["connection.username"], sink["connection.password"]) == (
        "headrace_sink",
        "${file:/etc/connect.properties:headrace_sink}",
    )
    assert (source["database.user"], source["database.password"]) == (
        "headrace_capture",
        "${file:/etc/connect.properties:headrace_capture}",
    )


def test_two_shops_on_a_server_have_slots_of_their_own() -> None:
    one, two = (slot_name(Settings(shop_database=name), CUSTOMERS_SOURCE) for name in ("shop", "other"))
    assert one != two


def test_declared_connectors_are_kept_in_line_and_others_are_left_alone() -> None:
    wanted = {"headrace.new": {"a": "1"}, "headrace.same": {"a": "1"}, "headrace.changed": {"a": "2"}}
    present = {
        "headrace.same": {"a": "1", "name": "headrace.same"},
        "headrace.changed": {"a": "1", "name": "headrace.changed"},
        "headrace.old": {"a": "1", "name": "headrace.old"},
        "somebody-elses": {"a": "1", "name": "somebody-elses"},
    }
    assert plan(present, wanted) == [
        Change("headrace.changed", "update"),
        Change("headrace.new", "create"),
        Change("headrace.old", "remove"),
        Change("headrace.same", "keep"),
    ]


def restarts(back_off: BackOff, failed: bool, start: float, seconds: int) -> list[float]:
    return [start + second for second in range(seconds) if back_off.is_due(failed, start + second)]


def test_a_connector_that_keeps_failing_is_restarted_less_and_less_often() -> None:
    times = restarts(BackOff(), True, 0, 400)
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert times[0] == 1
    assert pauses[:5] == [2, 4, 8, 16, 32]
    assert set(pauses[5:]) == {LAST_DELAY_SECONDS}


def test_a_connector_that_ran_for_a_while_is_restarted_soon() -> None:
    back_off = BackOff()
    last = restarts(back_off, True, 0, 100)[-1]
    assert restarts(back_off, False, 100, int(STEADY_SECONDS) + 1) == []
    (again, *_) = restarts(back_off, True, last + 2 * STEADY_SECONDS, 10)
    assert again == last + 2 * STEADY_SECONDS + 1


def test_what_the_sources_capture_has_the_version_of_its_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "transforms.version.type" not in connectors()[ORDERS_SOURCE]
    monkeypatch.setitem(TOPICS, "orders", versioned.topic())
    config = connectors()[ORDERS_SOURCE]
    assert config["transforms"] == "outbox,version"
    assert (config["transforms.version.header"], config["transforms.version.value.literal"]) == (
        "contract-version",
        "3",
    )


def test_a_producer_writes_the_version_of_a_contract_above_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert version_headers("orders") is None
    monkeypatch.setitem(TOPICS, "orders", versioned.topic())
    assert version_headers("orders") == versioned.headers(3)
    assert version_headers("orders.dlq") is None
    assert version_headers("headrace.replays") is None
