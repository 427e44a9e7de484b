"""The first step of a run builds the tables of its later steps in one transaction; each step gets its result."""

from collections.abc import Sequence

import pytest

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.warehouse.build_prefetch import BuildPrefetch
from headrace.warehouse.incremental import engine
from headrace.warehouse.incremental.engine import Built, bring_up_to_date
from headrace.warehouse.lake import Lake
from headrace.warehouse.tables import Table
from tests.integration.building import build_all
from tests.integration.landed import Landing
from tests.integration.samples import order, post


def test_a_run_has_built_ahead_what_it_will_ask_for(fresh: Settings) -> None:
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 1, "2.00"))])
    landing.land("social_media", [post("1")])
    wanted = ["raw.orders", "raw.social_media", "core.orders", "core.order_lines", "core.posts"]
    with Lake.open(fresh) as lake:
        build_all(lake)
        landing.land("orders", [order("2", ("A", 2, "2.00"))])
        landing.land("social_media", [post("2")])
        builds, before = BuildPrefetch(lake, wanted), lake.snapshot()
        assert builds.register("orders").inserted == 1
        assert lake.snapshot() == before + 1
        assert builds.register("social_media").inserted == 1
        # Both topics are up to date, and core.order_lines reads core.orders, which is not.
        assert builds.build("core.posts", full=False).inserted == 1
        assert builds.build("core.orders", full=False).inserted == 1
        assert lake.snapshot() == before + 2
        assert builds.build("core.order_lines", full=False).inserted == 1
        # A table whose result was returned is built again on the next request, as is one that was not announced.
        assert builds.build("core.orders", full=False).inserted == 0
        assert builds.build("core.products", full=False).updated == 1
        assert builds.register("orders").inserted == 0
        assert builds.build("core.orders", full=True).updated == 0


def test_what_cannot_be_built_ahead_fails_when_it_is_asked_for(
    fresh: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(lake: Lake, tables: Sequence[Table], *, full: bool, leave_out_failing: bool = False) -> list[Built]:
        if any(each.qualified == "core.orders" for each in tables):
            raise Terminal("Broken.", remedy="Mend it.")
        return bring_up_to_date(lake, tables, full=full)

    landing = Landing(fresh)
    with Lake.open(fresh) as lake:
        landing.land("orders", [order("1", ("A", 1, "2.00"))])
        landing.land("social_media", [post("1")])
        build_all(lake)
        landing.land("orders", [order("2", ("A", 2, "2.00"))])
        landing.land("social_media", [post("2")])
        builds = BuildPrefetch(
            lake, ["raw.orders", "raw.social_media", "core.orders", "core.posts", "core.order_lines"]
        )
        builds.register("orders")
        builds.register("social_media")
        monkeypatch.setattr(engine, "bring_up_to_date", failing)
        assert builds.build("core.posts", full=False).inserted == 1
        with pytest.raises(Terminal, match="Mend it"):
            builds.build("core.orders", full=False)
        monkeypatch.undo()
        assert builds.build("core.orders", full=False).inserted == 1
        assert builds.build("core.order_lines", full=False).inserted == 1
