"""The check that a statement gives the same result for the same rows: clocks, chance, and orders that leave ties."""

import pytest

from headrace.warehouse.determinism import instability, tie
from headrace.warehouse.frames import FOLDER
from headrace.warehouse.sql_server.examples import examples
from headrace.warehouse.sql_server.plots import PLOTS
from headrace.warehouse.tables import all_tables, declared_keys

KEYS = {
    "core.orders": (frozenset({"order_id"}),),
    "core.lines": (frozenset({"order_id", "number"}),),
    "core.customers": (frozenset({"customer_id", "valid_from"}),),
    "core.days": (frozenset({"day"}),),
    "raw.orders": (frozenset({"_topic_id", "_partition", "_offset"}),),
}


@pytest.mark.parametrize(
    "sql",
    [
        *(f"select {clock}" for clock in ("now()", "current_timestamp", "current_date", "today()", "localtimestamp")),
        *(f"select {chance}" for chance in ("random()", "uuid()", "gen_random_uuid()", "nextval('s')")),
        "from raw.orders tablesample 10%",
        "from raw.orders using sample 3",
        "from raw.orders limit 3",
        "select row_number() over (partition by a) from t",
        "select lag(a) over w from t window w as (partition by b)",
        "select first_value(a ignore nulls) over (partition by b) from t",
        "select first(a), last(b order by c) from t",
        "select list(a) from t",
        "select string_agg(a, ',') from t",
    ],
)
def test_what_may_differ_between_two_readings_is_found(sql: str) -> None:
    assert instability(sql)


def test_what_has_an_order_is_stable() -> None:
    assert instability("from raw.orders order by order_id limit 3") is None
    windows = "window w as (order by b), v as (w)"
    assert instability(f"select row_number() over w, lag(a) over v, lead(a) over (order by b) from t {windows}") is None
    assert instability("select first(a order by b), list(a order by b), any_value(c), sum(d) over () from t") is None
    assert instability("'now()' = source") is None


LEAVING_TIES = {
    "a window": "select row_number() over (partition by customer_id order by ordered_at) as n from core.orders",
    "a named window": "select lag(revenue) over w from core.orders window w as (partition by day order by ordered_at)",
    "a window that extends another": "select lead(a) over (w order by t) from core.orders window w as (partition by b)",
    "a frame of rows": "select sum(revenue) over (order by ordered_at rows 2 preceding) from core.orders",
    "the last value of peers": "select last_value(kind ignore nulls) over (order by day) from core.orders",
    "first": "select day, first(kind order by ordered_at) from core.orders group by day",
    "last with a filter": "select last(kind order by day) filter (where kind <> 'a') from core.orders",
    "list": "select list(order_id order by day) from core.lines",
    "string_agg": "select string_agg(kind, ',' order by day) from core.orders",
    "arg_max": "select arg_max(kind, ordered_at) from core.orders",
    "min_by with a filter": "select min_by(kind, (ordered_at, revenue)) filter (where kind <> 'a') from core.orders",
    "arg_min as a window": "select arg_min(kind, day) over (partition by customer_id) from core.orders",
    "LIMIT": "select order_id, revenue from core.orders order by revenue desc limit 3",
    "DISTINCT ON": "select distinct on (customer_id) * from core.orders order by customer_id, ordered_at",
    "a part of a key": "select first(sku order by number) from core.lines",
    "offsets of several partitions": "select first(a order by _kafka_time, _offset) from raw.orders",
    "a CTE without its key": "with a as (select day from core.orders) select row_number() over (order by day) from a",
    "a join that multiplies rows": (
        "select row_number() over (order by o.order_id) from core.orders o join core.lines l on l.order_id = o.order_id"
    ),
    "a join on a part of a key": (
        "select first(c.country order by o.order_id) from core.orders o left join core.customers c using (customer_id)"
    ),
    "a subquery": "select 1 where 'a' in (select first(kind order by day) from core.orders)",
    "a branch of a union": "select 1 union all select first(order_id order by day) from core.orders",
    "groups": "select day, row_number() over (order by count(*) desc) from core.orders group by day",
}
DECIDED = {
    "a key": "select row_number() over (partition by customer_id order by ordered_at desc, order_id) from core.orders",
    "a key with the partition": "select lag(sku) over (partition by order_id order by number) from core.lines",
    "a key with the group": "select order_id, first(sku order by number) from core.lines group by order_id",
    "a constant": "select first(sku order by number) from core.lines where order_id = '1' and sku <> ''",
    "arrival order": "select first(a order by _kafka_time, _topic_id, _partition, _offset) from raw.orders",
    "the value itself": "select list(distinct kind order by kind), first(kind order by day, kind) from core.orders",
    "arg_max by a key": "select arg_max(kind, (ordered_at, order_id)) from core.orders",
    "peers": "select sum(revenue) over (order by day), rank() over (order by day) from core.orders",
    "the first value, ordered by it": "select first_value(day) over (order by day) from core.orders",
    "LIMIT of all columns": "select distinct kind, day from core.orders order by kind, day limit 3",
    "LIMIT by an alias": "select order_id as number, revenue from core.orders order by 2 desc, number limit 3",
    "ORDER BY ALL": "select kind, revenue from core.orders order by all limit 3",
    "a renamed key": "with a as (select order_id as id, day from core.orders) select first(day order by id) from a",
    "all columns but one": "with a as (select * exclude (a) from core.orders) select first(b order by order_id) from a",
    "a key of the joined rows": (
        "select row_number() over (order by l.order_id, number, customer_id)"
        " from core.lines l join core.customers c on c.valid_from = l.day"
    ),
    "the first of each": (
        "with a as (from core.orders qualify row_number() over (partition by customer_id order by day, order_id) = 1)"
        " select first(kind order by customer_id) from a"
    ),
    "groups by alias": "select day, row_number() over (order by count(*), day) from core.orders group by all",
    "distinct rows": "with a as (select distinct day from core.orders) select lag(day) over (order by day) from a",
    "a join to one row": (
        "select first(d.holiday order by o.order_id) from core.orders o left join core.days d on d.day = o.day"
    ),
    "equal columns": (
        "select first(sku order by o.order_id, number) from core.orders o join core.lines l on l.order_id = o.order_id"
    ),
    "a semi join": "select first(kind order by order_id) from core.orders semi join core.lines using (order_id)",
    "one row": "select row_number() over (order by total) from (select sum(revenue) as total from core.orders)",
}
UNKNOWN = {
    "a table without declared keys": "select first(a order by b) from meta.freshness",
    "a union": "select first(a order by b) from (from core.orders union all from core.orders)",
    "an unnest": "select first(line order by order_id) from (select order_id, unnest(lines) as line from core.orders)",
}
"""Left to the author."""


@pytest.mark.parametrize("form", LEAVING_TIES)
def test_an_order_that_does_not_decide_between_two_rows_is_found(form: str) -> None:
    assert "leaves ties" in (tie(LEAVING_TIES[form], KEYS) or "")


@pytest.mark.parametrize("form", DECIDED)
def test_an_order_that_decides_is_accepted(form: str) -> None:
    assert tie(DECIDED[form], KEYS) is None


@pytest.mark.parametrize("form", UNKNOWN)
def test_an_order_of_rows_without_a_known_key_is_left_to_its_author(form: str) -> None:
    assert tie(UNKNOWN[form], KEYS) is None


def test_no_statement_of_this_repository_leaves_ties() -> None:
    keys = declared_keys(all_tables())
    statements = {
        **{table.qualified: table.sql for table in all_tables()},
        **{f"frame {path.stem}": path.read_text() for path in FOLDER.glob("*.sql") if path.stem != "behavior"},
        **{f"example {example.name}": example.sql for example in examples()},
        **{f"plot {name}": plot.sql for name, plot in PLOTS.items()},
    }
    assert {name: found for name, sql in statements.items() if (found := tie(sql, keys))} == {}
