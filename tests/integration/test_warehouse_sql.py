"""`headrace sql`, and the known figures of the real order book."""

import json

import pytest
import typer
from typer.testing import CliRunner

from headrace.commands import warehouse
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from tests.integration.building import build_from
from tests.integration.landed import Landing
from tests.integration.samples import at, order


@pytest.fixture
def command(fresh: Settings, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """The command line, of this one command, on the test's own stack."""
    monkeypatch.setenv("HEADRACE_HOME", str(fresh.home))
    monkeypatch.setenv("HEADRACE_POSTGRES_CONNINFO", str(fresh.postgres_conninfo))
    monkeypatch.setenv("HEADRACE_DATABASE", fresh.database)
    app = typer.Typer(pretty_exceptions_enable=False)
    warehouse.register(app)
    return app


def test_answers_are_printed_exactly_in_every_format(fresh: Settings, command: typer.Typer) -> None:
    Landing(fresh).land(
        "orders", [order("1", ("A", 3, "0.0001"), time=at()), order("2", ("A", 1, "1.1"), time=at(days=1))]
    )
    build_from(fresh, "orders")
    ask = "select sale_date, sum(revenue) as revenue from marts.sales_daily group by all order by all"
    printed = {form: CliRunner().invoke(command, [ask, "--format", form]).stdout for form in ("table", "csv", "json")}
    assert printed["table"].splitlines() == [
        "sale_date   revenue",
        "----------  -------",
        "2026-03-01   0.0003",
        "2026-03-02   1.1000",
    ]
    assert printed["csv"] == "sale_date,revenue\n2026-03-01,0.0003\n2026-03-02,1.1000\n"
    assert json.loads(printed["json"]) == [
        {"sale_date": "2026-03-01", "revenue": "0.0003"},
        {"sale_date": "2026-03-02", "revenue": "1.1000"},
    ]
    assert CliRunner().invoke(command, [], input=ask + ";\n").stdout == printed["table"]


def test_show_tables_shows_those_of_every_schema_with_what_they_hold(fresh: Settings, command: typer.Typer) -> None:
    build_from(fresh, "orders")
    shown = json.loads(CliRunner().invoke(command, ["show tables", "--format", "json"]).stdout)
    about = {(row["schema"], row["table"]): row["comment"] for row in shown}
    assert {("raw", "orders"), ("core", "orders"), ("marts", "sales_daily")} <= set(about)
    assert about["marts", "sales_daily"].startswith("One row per day")


def test_a_pivot_by_what_the_data_holds_is_answered(fresh: Settings, command: typer.Typer) -> None:
    Landing(fresh).land("orders", [order("1", ("A", 3, "1")), order("2", ("A", 1, "1.1"))])
    build_from(fresh, "orders")
    ask = "pivot core.orders on order_id using any_value(line_count) group by channel order by all"
    printed = CliRunner().invoke(command, [ask, "--format", "csv"])
    assert printed.stdout.splitlines()[0] == "channel,1,2", printed


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("insert into marts.sales_daily from marts.sales_daily", "read-only here: INSERT is denied"),
        ("delete from core.orders", "read-only here: DELETE is denied"),
        ("call ducklake_expire_snapshots('lake', older_than => now())", "read-only"),
        ("from ducklake_expire_snapshots('lake', older_than => now())", "is denied"),
        ("explain analyze copy (select 1) to 'written'", "read-only here: COPY is denied"),
        ("pragma import_database('nowhere')", "read-only here: PRAGMA is denied"),
        ("select nonsense from core.orders", 'Referenced column "nonsense" not found'),
        ("selec 1", "syntax error"),
        ("select 'x'::integer", "Could not convert string 'x'"),
    ],
)
def test_an_invalid_statement_is_one_clear_message(
    fresh: Settings, command: typer.Typer, statement: str, message: str
) -> None:
    build_from(fresh, "orders")
    result = CliRunner().invoke(command, [statement])
    assert isinstance(result.exception, Terminal)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)
    assert result.stdout == ""
