"""What a person sees and does in the Dagster UI. Screenshots are left in pytest's temporary folder, to be looked at."""

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from playwright.sync_api import Browser, Page, expect

from headrace.contracts.settings import Settings
from headrace.orchestration.defs.sensors.landing import OBSERVE_EVERY_SECONDS
from headrace.orchestration.instance.config import opened
from headrace.orchestration.keys import BUILD_JOB, table_key, topic_key
from tests.ui.conftest import logged_in

SLOW_MS = 60_000
BUILD_SECONDS = 180.0
BY_HAND_JOB = "__ASSET_JOB"
"""What Dagster calls the job of assets that are picked by hand."""


@pytest.fixture
def page(browser: Browser, whole_stack: Settings) -> Iterator[Page]:
    context = logged_in(browser, whole_stack, 2400, 1400)
    context.set_default_timeout(SLOW_MS)
    yield context.new_page()
    context.close()


def wait_for_run(settings: Settings, job: str, *statuses: dg.DagsterRunStatus) -> dg.DagsterRun:
    deadline = time.monotonic() + BUILD_SECONDS
    with opened(settings) as instance:
        while not (runs := instance.get_runs(dg.RunsFilter(job_name=job, statuses=list(statuses) or None))):
            assert time.monotonic() < deadline, f"no run of {job}"
            time.sleep(1)
    return runs[0]


def wait_for_build(settings: Settings) -> None:
    wait_for_run(settings, BUILD_JOB, dg.DagsterRunStatus.SUCCESS)


def _wait_for_landing_observed(settings: Settings, topic: str) -> None:
    """The first observation may be of before the landing; the next one comes `OBSERVE_EVERY_SECONDS` later."""
    deadline = time.monotonic() + OBSERVE_EVERY_SECONDS + SLOW_MS / 1_000
    with opened(settings) as instance:
        while "last_landing" not in _observed(instance, topic):
            assert time.monotonic() < deadline, f"the landing of {topic} was not observed"
            time.sleep(1)


def _observed(instance: dg.DagsterInstance, topic: str) -> set[str]:
    records = instance.fetch_observations(topic_key(topic), limit=1).records
    return set(records[0].asset_observation.metadata) if records and records[0].asset_observation else set()


def test_the_asset_graph_shows_both_cases_from_topic_to_mart(page: Page, whole_stack: Settings, tmp_path: Path) -> None:
    wait_for_build(whole_stack)
    # The graph draws only visible nodes, and has one case above the other.
    page.set_viewport_size({"width": 2400, "height": 2800})
    page.goto("/asset-groups")
    graph = page.locator("foreignObject")
    for case in ("ecommerce", "data_science"):
        graph.get_by_text(case, exact=True).click()
        page.wait_for_timeout(2_000)
    for layer in ("topics", "raw", "core", "marts"):
        expect(graph.get_by_text(layer, exact=True)).to_have_count(2)
    page.screenshot(path=tmp_path / "graph.png")


def test_an_asset_materialized_in_the_ui_succeeds(page: Page, whole_stack: Settings, tmp_path: Path) -> None:
    wait_for_build(whole_stack)
    page.goto("/assets/marts/sales_daily")
    page.get_by_role("button", name="Materialize").first.click()
    run = wait_for_run(whole_stack, BY_HAND_JOB)
    assert run.asset_selection == {table_key("marts.sales_daily")}
    page.goto(f"/runs/{run.run_id}")
    expect(page.get_by_text("Success", exact=True).first).to_be_visible(timeout=BUILD_SECONDS * 1_000)
    page.screenshot(path=tmp_path / "run.png")
    page.goto("/assets/marts/sales_daily")
    expect(page.get_by_text("Row count")).to_be_visible()
    page.screenshot(path=tmp_path / "asset.png")


def test_a_topic_shows_its_lag_and_its_last_landing(page: Page, whole_stack: Settings, tmp_path: Path) -> None:
    _wait_for_landing_observed(whole_stack, "orders")
    page.goto("/assets/kafka/orders?view=events")
    for name in ("lag", "last_landing", "rows_landed"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible(timeout=SLOW_MS)
    page.screenshot(path=tmp_path / "topic.png")
