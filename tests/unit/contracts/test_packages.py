"""Packages are found by convention, each from the cases, the installed ones and the project."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.contracts import packages, topics
from headrace.contracts.errors import Terminal
from headrace.contracts.packages import Claim, Package

TOPIC = """
from typing import Annotated
from headrace.contracts.topic import event_topic
from headrace.contracts.types import Event, Identifier, about

class Ticket(Event, kw_only=True, frozen=True):
    ticket_id: Annotated[Identifier, about("The ticket.")]

TICKETS = event_topic("{name}", Ticket, key="ticket_id", partitions=2, days=7)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Package]:
    """A project with an empty folder of topics, beside no other package."""
    (tmp_path / "my-shop" / "topics").mkdir(parents=True)
    found = packages.project(tmp_path / "my-shop")
    with packages.using(found):
        yield found


def fresh_python(code: str, folder: Path, **environment: str) -> str:
    """Output of a new process in `folder` without other settings."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


SHOW = "from headrace.contracts.topics import TOPICS; print(*(f'{t.domain}.{t.name}' for t in TOPICS.values()))"


def test_a_topic_of_a_project_counts_without_a_registry_line(tmp_path: Path) -> None:
    (tmp_path / "my shop" / "topics").mkdir(parents=True)
    (tmp_path / "my shop" / "headrace.toml").write_text("cases = []\n")
    (tmp_path / "my shop" / "topics" / "tickets.py").write_text(TOPIC.format(name="tickets"))
    (tmp_path / "my shop" / "topics" / "_draft.py").write_text("raise SystemExit")
    assert fresh_python(SHOW, tmp_path / "my shop" / "topics") == "my_shop.tickets my_shop.tickets.dlq"


def test_programs_of_the_stack_see_the_project_in_any_folder(tmp_path: Path) -> None:
    (tmp_path / "shop" / "topics").mkdir(parents=True)
    (tmp_path / "shop" / "headrace.toml").write_text("cases = []\n")
    (tmp_path / "shop" / "topics" / "tickets.py").write_text(TOPIC.format(name="tickets"))
    given = "import json; from headrace.contracts.settings import Settings; print(json.dumps(Settings().environment()))"
    environment = fresh_python(given, tmp_path / "shop")
    inside = f"import os, json; os.environ |= json.loads({environment!r}); {SHOW}"
    assert fresh_python(inside, tmp_path) == "shop.tickets shop.tickets.dlq"


@pytest.mark.parametrize(
    ("cases", "domains"), [("[]", ""), ("ecommerce", "ecommerce"), (None, "data_science ecommerce")]
)
def test_a_case_can_be_left_out(cases: str | None, domains: str, tmp_path: Path) -> None:
    show = "from headrace.contracts.topics import TOPICS; print(*sorted({t.domain for t in TOPICS.values()}))"
    given = {} if cases is None else {"HEADRACE_CASES": cases}
    assert fresh_python(show, tmp_path, **given) == domains


def test_an_unknown_case_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    show = """
from headrace.contracts.errors import Terminal
try: import headrace.contracts.topics
except Terminal as error: print(error)
"""
    reported = fresh_python(show, tmp_path, HEADRACE_CASES="ecomerce")
    assert reported.startswith("There is no case ecomerce.")
    assert reported.endswith("data_science, ecommerce.")


def test_modules_of_a_project_import_each_other_and_hide_none(shop: Package) -> None:
    (shop.folder / "topics" / "json.py").write_text(TOPIC.format(name="tickets"))
    (shop.folder / "topics" / "msgspec.py").write_text("from headrace_project.topics.json import TICKETS\n")
    assert [(topic.name, topic.domain) for topic in topics.composed()] == [("tickets", "my_shop")]
    assert sys.modules["json"] is not sys.modules["headrace_project.topics.json"]
    assert str(shop.folder) not in sys.path


def test_two_packages_that_claim_one_name_are_refused_with_both_places(shop: Package) -> None:
    (shop.folder / "topics" / "a.py").write_text(TOPIC.format(name="orders"))
    with packages.using(_case("ecommerce"), shop), pytest.raises(Terminal) as raised:
        topics.composed()
    assert "cases/ecommerce/topics/orders.py" in raised.value.message
    assert "my-shop/topics/a.py" in raised.value.message
    with packages.using(_case("ecommerce"), shop, replaced=["orders"]):
        found = {topic.name: topic.domain for topic in topics.composed()}
    assert (found["orders"], found["web_logs"]) == ("my_shop", "ecommerce")


def test_a_package_can_be_left_out_by_name_without_a_replacement() -> None:
    with packages.using(replaced=["x"]):
        assert packages.by_name("table", [Claim("x", None, "a", 1), Claim("y", None, "b", 2)]) == {"y": 2}


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("import nothing_such", "cannot be imported: ModuleNotFoundError"),
        ("def", "cannot be imported: SyntaxError"),
        (TOPIC.format(name="My Tickets"), "'My Tickets' is no name of a topic."),
    ],
)
def test_a_module_that_is_not_right_is_named(text: str, reported: str, shop: Package) -> None:
    (shop.folder / "topics" / "wrong.py").write_text(text)
    with pytest.raises(Terminal, match=reported) as raised:
        topics.composed()
    assert str(shop.folder / "topics" / "wrong.py") in raised.value.message


def test_code_that_every_account_can_write_is_not_run(shop: Package) -> None:
    path = shop.folder / "topics" / "open.py"
    path.write_text("raise SystemExit")
    path.chmod(0o666)
    with pytest.raises(Terminal, match="it is run as code"):
        topics.composed()


def test_an_installed_package_is_found_by_its_entry_point(tmp_path: Path) -> None:
    site, info = tmp_path / "site", tmp_path / "site" / "boats-1.dist-info"
    (site / "boat_rental" / "topics").mkdir(parents=True)
    (site / "boat_rental" / "__init__.py").touch()
    (site / "boat_rental" / "topics" / "trips.py").write_text(TOPIC.format(name="trips"))
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: boats\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[headrace.packages]\nboats = boat_rental\n")
    reported = fresh_python(SHOW, tmp_path, PYTHONPATH=str(site), HEADRACE_CASES="[]")
    assert reported == "boats.trips boats.trips.dlq"


@pytest.mark.parametrize("module", ["topic", "types", "fields", "packages", "settings"])
def test_what_contracts_need_does_not_import_the_topics(module: str, tmp_path: Path) -> None:
    code = f"import sys, headrace.contracts.{module}; print('headrace.contracts.topics' in sys.modules)"
    assert fresh_python(code, tmp_path) == "False"


def _case(name: str) -> Package:
    return Package(name, Path(str(packages.__file__)).parents[1] / "cases" / name, f"{packages.CASES}.{name}")


MART = """-- grain: One row per day.
-- key: day
-- domain: shop
-- description: Tickets of each day.
-- materialized: incremental_by_group
-- group_by: day
-- input raw.tickets affects: event_time::date
-- column day: The day.
-- column tickets: The number of tickets.
select event_time::date as day, count(*) as tickets from raw.tickets group by all
"""


def test_a_table_of_a_project_is_an_asset_and_in_the_reference(tmp_path: Path) -> None:
    for name, text in {
        "headrace.toml": "",
        "topics/tickets.py": TOPIC.format(name="tickets"),
        "warehouse/marts/tickets_daily.sql": MART,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    show = """
from headrace.orchestration.definitions import defs
from headrace.warehouse.catalog.reference import column_types, tables_page
from headrace.warehouse.tables import table
print(table("marts.tickets_daily").domain == __import__("pathlib").Path.cwd().name)
print("### marts.tickets_daily" in tables_page(), column_types()["marts.tickets_daily"])
keys = {"/".join(key.path) for key in defs.resolve_all_asset_keys()}
print({"marts/tickets_daily", "raw/tickets"} <= keys or sorted(keys))
"""
    folder = tmp_path.rename(tmp_path.parent / "shop")
    shown = fresh_python(show, folder).splitlines()
    assert shown == ["True", "True {'day': 'DATE', 'tickets': 'BIGINT'}", "True"]


def test_two_tables_with_one_name_are_refused_unless_the_project_replaces_one(tmp_path: Path) -> None:
    (tmp_path / "shop" / "warehouse" / "marts").mkdir(parents=True)
    (tmp_path / "shop" / "headrace.toml").touch()
    (tmp_path / "shop" / "topics").mkdir()
    (tmp_path / "shop" / "topics" / "tickets.py").write_text(TOPIC.format(name="tickets"))
    (tmp_path / "shop" / "warehouse" / "marts" / "topic_freshness.sql").write_text(MART)
    show = """
from headrace.contracts.errors import Terminal
from headrace.warehouse.tables import all_tables
try: print([each.domain for each in all_tables() if each.name == "topic_freshness"])
except Terminal as error: print(error)
"""
    refused = fresh_python(show, tmp_path / "shop")
    assert refused.startswith("There are two tables with the name marts.topic_freshness:")
    assert refused.count("topic_freshness.sql") == 2
    (tmp_path / "shop" / "headrace.toml").write_text('replace = ["marts.topic_freshness"]')
    assert fresh_python(show, tmp_path / "shop") == "['shop']"
