"""`headrace check` finds mistakes in the tables' files, each with its line and a remedy."""

import pytest

from headrace.operations.checking.tables import SqlFile, table_problems

_SPENDING = """-- grain: One row per customer.
-- key: customer_id
-- domain: ecommerce
-- description: What customers spend.
-- materialized: incremental_by_group
-- group_by: customer_id
-- input core.orders affects: customer_id
-- row_check orders are counted: orders > 0
-- audit there are orders: count(*) >= 0
-- foreign_key customer_id: core.orders (customer_id)
-- column customer_id: The customer.
-- column orders: Number of orders.
-- column last_day: Day of the last order.
select
    customer_id,
    count(*) as orders,
    max(order_date) as last_day
from core.orders
where customer_id is not null
group by customer_id
"""
_ORDERS = """-- grain: One row per order.
-- key: order_id
-- domain: ecommerce
-- description: Orders.
-- materialized: incremental_by_group
-- group_by: order_id
-- input raw.orders affects: order_id
-- column order_id: The order.
-- column customer_id: The customer.
-- column order_date: The day.
select order_id, any_value(customer_id) as customer_id, min(event_time)::date as order_date
from raw.orders
group by order_id
"""


def _problems(spending: str, *others: SqlFile) -> list[tuple[str, int, str, str]]:
    files = [
        SqlFile("orders.sql", "core", "orders", _ORDERS),
        SqlFile("spending.sql", "marts", "spending", spending),
        *others,
    ]
    return [(each.file, each.line, each.message, each.remedy) for each in table_problems(files)]


@pytest.mark.parametrize(
    ("replaced", "by", "line", "message", "remedy"),
    [
        ("-- grain: One row per customer.\n", "", 1, "The header lacks grain.", "Correct the file"),
        ("-- column orders", "-- colum orders", 12, "no header `colum`; did you mean `column`?", "Correct the file"),
        ("    count(*)", "    count(*", 16, "Not a SELECT", "Correct the file"),
        ("max(order_date)", "max(order_day)", 17, "order_day", "Columns with similar names: order_date"),
        ("count(*) as", "sum(customer_id) as", 16, "No function matches", "Correct the SQL."),
        ("from core.orders", "from core.orderz", 18, "inputs are", "Correct the file"),
        ("core.orders", "core.orderz", 7, "There is no table core.orderz.", "Did you mean core.orders?"),
        ("count(*) as orders", "sum(1) as orders", 16, "orders is a HUGEINT", "bigint"),
        ("as last_day", "as final_day", 17, "final_day has no description", "-- column final_day"),
        ("as last_day", "as last_days", 13, "gives no column last_day", "Did you mean last_days?"),
        (
            "check orders are counted: orders >",
            "check x: order >",
            8,
            "`row_check x` cannot be read",
            "Correct the SQL.",
        ),
        ("orders > 0", "orders + 1", 8, "`row_check orders are counted` is a BIGINT", "true or false"),
        ("count(*) >= 0", "count(*)", 9, "`audit there are orders` is a BIGINT", "true or false"),
        (
            "affects: customer_id",
            "affects: order_date",
            7,
            "is a DATE, but the column of `group_by` is a VARCHAR",
            "type",
        ),
        ("affects: customer_id", "affects: customer", 7, "cannot be read", "Columns with similar names: customer_id"),
        (
            ": core.orders (customer_id)",
            ": core.order (customer_id)",
            10,
            "which is no table",
            "Did you mean core.orders",
        ),
        (": core.orders (customer_id)", ": core.orders (number)", 10, "no column core.orders.number", "COLUMNS"),
        (": core.orders (customer_id)", ": core.orders (order_date)", 10, "is a VARCHAR, core.orders", "Cast"),
        ("max(order_date)", "arg_max(order_date, random())", 17, "another value at each reading", "Correct the file"),
    ],
)
def test_a_mistake_is_found_with_its_line_and_a_remedy(
    replaced: str, by: str, line: int, message: str, remedy: str
) -> None:
    assert _problems(_SPENDING) == []
    assert _SPENDING.count(replaced) >= 1
    found = _problems(_SPENDING.replace(replaced, by))
    assert any(
        (file, number) == ("spending.sql", line) and message in what and remedy in advice
        for file, number, what, advice in found
    ), found


def test_every_file_with_a_mistake_is_listed_and_its_readers_are_left_alone() -> None:
    broken = SqlFile("broken.sql", "core", "broken", _ORDERS.replace("customer_id)", "custommer_id)"))
    reader = SqlFile("reader.sql", "marts", "reader", _SPENDING.replace("core.orders", "core.broken"))
    found = _problems(_SPENDING.replace("max(order_date)", "max(order_day)"), broken, reader)
    assert sorted(file for file, *_ in found) == ["broken.sql", "spending.sql"]


def test_a_table_that_is_declared_twice_is_found_with_both_places() -> None:
    ((file, _, message, _),) = _problems(_SPENDING, SqlFile("other.sql", "marts", "spending", _SPENDING))
    assert (file, "spending.sql" in message) == ("other.sql", True)


def test_tables_that_read_each_other_are_found() -> None:
    one = SqlFile("one.sql", "marts", "one", _SPENDING.replace("core.orders", "marts.two"))
    two = SqlFile("two.sql", "marts", "two", _SPENDING.replace("core.orders", "marts.one"))
    ((file, _, message, _),) = _problems(_SPENDING, one, two)
    assert file in ("one.sql", "two.sql")
    assert "reads itself" in message


def test_a_table_without_an_order_that_decides_is_found() -> None:
    text = _ORDERS.replace("any_value(customer_id)", "arg_min(customer_id, event_time order by country)")
    tied = _ORDERS.replace("any_value(customer_id)", "first(customer_id order by event_time)")
    found = list(table_problems([SqlFile("orders.sql", "core", "orders", tied)]))
    assert [each.remedy for each in found] == ["End its ORDER BY with columns that identify a row."]
    assert list(table_problems([SqlFile("orders.sql", "core", "orders", text)])) != []
