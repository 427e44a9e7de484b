"""The lines that the documentation gives to notebooks and scripts work as they stand."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from headrace.contracts.settings import Settings
from headrace.warehouse.lake import Lake
from headrace.warehouse.publication.publish import publish
from tests.integration.building import build_from
from tests.integration.landed import Landing
from tests.integration.samples import order

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "sql.md"


def test_a_notebook_opens_the_warehouse_in_one_line(fresh: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    Landing(fresh).land("orders", [order("1", ("A", 1, "2.50"))])
    build_from(fresh, "orders")
    with Lake.open(fresh) as lake:
        publish(fresh, lake)
    for name in ("home", "postgres_conninfo", "database"):
        monkeypatch.setenv(f"HEADRACE_{name.upper()}", str(getattr(fresh, name)))
    (fresh.home.parent / ".headrace").symlink_to(fresh.home)
    monkeypatch.chdir(fresh.home.parent)
    snippets = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    names: dict[str, object] = {}
    for snippet in snippets:
        exec(snippet, names)
    for connection in (names["lake"], names["marts"]):
        answer = connection.sql("select sum(revenue) from marts.sales_daily").fetchall()  # pyright: ignore[reportAttributeAccessIssue]
        assert answer == [(Decimal("2.5"),)]
        connection.close()  # pyright: ignore[reportAttributeAccessIssue]
