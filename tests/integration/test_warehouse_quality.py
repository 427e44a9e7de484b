"""Rows that fail a check are quarantined until corrected; builds that fail an audit are undone and block others."""

from datetime import timedelta
from typing import Any

import pytest

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.contracts.types import Event
from headrace.warehouse import build as build_module
from headrace.warehouse.build import build, register
from headrace.warehouse.incremental.engine import Blocked
from headrace.warehouse.incremental.key_conflicts import LATER_EVENT
from headrace.warehouse.lake import METADATA, Lake
from headrace.warehouse.publication.failures import ages
from headrace.warehouse.quality.audit import audit_table, audit_topic
from headrace.warehouse.query import run
from headrace.warehouse.tables import SQL_FOLDER, Table, parse, table
from tests.integration.building import build_from
from tests.integration.landed import Landing
from tests.integration.samples import START, at, customer, hit, order, weather


def rows(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    return run(settings, sql).rows


def _changed(qualified: str, old: str, new: str) -> Table:
    """A table as it would be with its file changed."""
    schema, name = qualified.split(".")
    text = (SQL_FOLDER / schema / f"{name}.sql").read_text()
    assert old in text
    return parse(schema, name, text.replace(old, new, 1))


def test_a_row_that_breaks_a_rule_is_in_quarantine_until_it_is_corrected(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("weather_data", [weather(temperature_c=1_000.0, relative_humidity_pct=140.0), weather(time=at(60))])
    landing.land("orders", [order("1", ("A", 1, "2.00"), currency="pounds"), order("2", ("A", 1, "3.00"))])
    landing.land("customers", [customer("C1")])
    results = build_from(fresh, "weather_data", "orders", "customers")
    assert rows(fresh, "select _reasons from quarantine.core_weather") == [
        (["temperature is of this planet", "humidity is a percentage"],)
    ]
    assert (results["core.weather"].rows, results["core.weather"].quarantined) == (1, 1)
    (check,) = [each for each in results["core.weather"].checks if each.check.name == "no_row_in_quarantine"]
    assert (check.passed, check.violations) == (False, 1)
    assert rows(fresh, "select order_id from core.order_lines") == [("2",)]
    landing.land("weather_data", [weather(version=2, temperature_c=7.5)])
    landing.land("orders", [order("1", ("A", 1, "2.00"), version=2)])
    results = build_from(fresh, "weather_data", "orders", "customers")
    assert all(each.passed for each in results["core.weather"].checks)
    assert rows(fresh, "select count(*) from quarantine.core_weather") == [(0,)]
    assert rows(fresh, "select count(*), count(distinct order_id) from core.order_lines") == [(2, 2)]


def test_a_build_that_fails_an_audit_is_undone_and_reports_it(fresh: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "2.00"))])
    build_from(fresh, "orders")
    wrong = _changed("marts.sales_daily", "'unverified'\ngroup", "'unverified' and order_id <> '2'\ngroup")
    tables = {"core.orders": table("core.orders"), "marts.sales_daily": wrong}
    monkeypatch.setattr(build_module, "table_named", tables.__getitem__)
    landing.land("orders", [order("2", ("A", 1, "5.00"))])
    with Lake.open(fresh) as lake:
        register(lake, "orders")
        build(lake, "core.orders")
        with pytest.raises(Blocked, match="all_orders_are_counted") as blocked:
            build(lake, "marts.sales_daily")
        failed = [each.check.name for each in blocked.value.checks if not each.passed]
        assert failed == ["all_orders_are_counted"]
        assert lake.value("select sum(orders) from marts.sales_daily") == 1
        tables["marts.sales_daily"] = table("marts.sales_daily")
        assert all(each.passed for each in build(lake, "marts.sales_daily").checks)
        assert lake.value("select sum(orders) from marts.sales_daily") == 2


def test_an_event_repeated_with_another_time_or_payload_is_found_and_the_first_stays(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("web_logs", [hit("e1"), hit("e2", path="/a")])
    build_from(fresh, "web_logs", "orders")
    near, far = START + timedelta(minutes=1), START + timedelta(days=30)
    landing.land("web_logs", [hit("e2", path="/b"), hit("e3"), hit("e3", time=near)])
    build_from(fresh, "web_logs", "orders")
    landing.land("web_logs", [hit("e1", time=far)])
    build_from(fresh, "web_logs", "orders")
    assert rows(fresh, "select event_time from core.web_events where event_id = 'e3'") == [(START,)]
    with Lake.open(fresh) as lake:
        verdict = audit_topic(lake, "web_logs")
        assert (verdict.passed, verdict.violations) == (False, 3)
        found = audit_table(lake, table("core.web_events"))
        assert (found.passed, found.metadata["moved_to_quarantine"]) == (True, 1)
        assert audit_table(lake, table("core.web_events")).metadata.get("moved_to_quarantine") is None
    listed = "select event_id, differs from quarantine.conflicts order by event_id"
    assert rows(fresh, listed) == [("e1", "time"), ("e2", "payload"), ("e3", "time")]
    assert rows(fresh, "select event_time, path from core.web_events where event_id in ('e1', 'e2') order by path") == [
        (START, "/"),
        (START, "/a"),
    ]
    refused = "select event_id, event_time, _reasons from quarantine.core_web_events order by event_id"
    again = [LATER_EVENT]
    assert rows(fresh, refused) == [("e1", far, again), ("e3", near, again)]
    landing.land("web_logs", [hit("e1", time=far)])
    build_from(fresh, "web_logs", "orders")
    assert rows(fresh, "select count(*) from core.web_events") == [(3,)]
    with Lake.open(fresh) as lake:
        result = build(lake, "core.web_events", full=True)
    assert (result.inserted, result.updated, result.deleted, result.quarantined) == (0, 0, 0, 2)


def test_a_table_whose_changes_have_expired_is_rebuilt(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "2.00"))])
    build_from(fresh, "orders")
    landing.land("orders", [order("2", ("A", 1, "5.00"))])
    with Lake.open(fresh) as lake:
        register(lake, "orders")
        build(lake, "core.orders")
        # A forced fault: expiry beyond the watermark of marts.sales_daily.
        lake.connection.execute("call ducklake_expire_snapshots('lake', older_than => now())")
        assert lake.value(f"select count(*) from {METADATA}.ducklake_snapshot") == 1
        assert build(lake, "marts.sales_daily").updated == 1
        assert lake.value("select orders from marts.sales_daily") == 2


def test_what_did_not_change_is_not_checked_again(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "2.00"))])
    first = build_from(fresh, "orders")
    checked = "select max(checked_at) from meta.checks where table_name = 'core.orders'"
    before = rows(fresh, checked)
    again = build_from(fresh, "orders")
    assert rows(fresh, checked) == before
    assert again["core.orders"].checks == first["core.orders"].checks


@pytest.mark.parametrize(
    ("topic", "name", "field"),
    [("weather_data", "core.weather", "condition"), ("web_logs", "core.web_events", "user_agent")],
)
def test_rows_that_fail_a_cast_are_set_apart_and_the_rest_builds(
    fresh: Settings, monkeypatch: pytest.MonkeyPatch, topic: str, name: str, field: str
) -> None:
    def event(number: int, value: str) -> Event:
        of_log = hit(f"e{number}", time=at(number), user_agent=value)
        return of_log if topic == "web_logs" else weather(time=at(60 * number), condition=value)

    landing = Landing(fresh)
    tables = {name: _changed(name, f"    {field},\n", f"    {field}::integer::varchar as {field},\n")}
    monkeypatch.setattr(build_module, "table_named", tables.__getitem__)
    listed = f"select list({field} order by {field}) from {name}"
    failing = "select count(*), min(reason) from quarantine.groups"
    with Lake.open(fresh) as lake:
        for numbers in (range(40), range(40, 80), range(80, 90)):
            landing.land(topic, [event(n, "rain" if n in (3, 17, 45) else f"{n}") for n in numbers])
            register(lake, topic)
            build(lake, name)
        expected = sorted(f"{n}" for n in range(90) if n not in (3, 17, 45))
        assert lake.value(listed) == expected
        ((count, reason),) = lake.connection.execute(failing).fetchall()
        assert (count, "Could not convert string 'rain'" in reason) == (3, True)
        age = ages(lake, [tables[name]])[name]
        assert (age.is_current, "3 groups" in str(age.reason)) == (False, True)
        full = build(lake, name, full=True)
        assert (full.inserted, full.updated, full.deleted) == (0, 0, 0)
        assert lake.value(failing.replace(", min(reason)", "")) == 3
        tables[name] = table(name)
        assert build(lake, name).inserted == 3
        assert lake.value(failing.replace(", min(reason)", "")) == 0


def test_a_cast_that_fails_for_every_row_fails_the_build(fresh: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    landing = Landing(fresh)
    landing.land("weather_data", [weather(time=at(60 * n), condition="rain") for n in range(150)])
    tables = {"core.weather": _changed("core.weather", "    condition,\n", "    condition::integer as condition,\n")}
    monkeypatch.setattr(build_module, "table_named", tables.__getitem__)
    with Lake.open(fresh) as lake:
        register(lake, "weather_data")
        with pytest.raises(Terminal, match="Could not convert"):
            build(lake, "core.weather")
