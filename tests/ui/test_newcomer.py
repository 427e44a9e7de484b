"""A newcomer's path: from the search of the Dagster UI to a mart, its columns, plot, checks and lineage; the SQL page.

Screenshots are left in pytest's temporary folder, to be looked at.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from playwright.sync_api import Browser, Page, expect

from headrace.contracts.settings import HOST, Settings
from headrace.guard.doors import link
from headrace.orchestration.keys import table_key
from headrace.warehouse.sql_server.examples import examples
from tests.ui.conftest import logged_in
from tests.ui.test_dagster_ui import BY_HAND_JOB, SLOW_MS, wait_for_build, wait_for_run


@pytest.fixture
def page(browser: Browser, whole_stack: Settings) -> Iterator[Page]:
    context = logged_in(browser, whole_stack, 1600, 2000)
    context.set_default_timeout(SLOW_MS)
    yield context.new_page()
    context.close()


def test_a_mart_is_found_by_its_name_read_and_built(page: Page, whole_stack: Settings, tmp_path: Path) -> None:
    wait_for_build(whole_stack)
    page.goto("/")
    page.get_by_text("Search", exact=True).first.click()
    page.keyboard.type("sales_daily", delay=30)
    page.get_by_text("marts / sales_daily").first.click()
    page.wait_for_url("**/assets/marts/sales_daily**")

    expect(page.get_by_text("Revenue of orders, returns and adjustments together, exact.")).to_be_visible()
    plot = page.locator('img[src*="/plots/marts.sales_daily.png"]').first
    plot.scroll_into_view_if_needed()
    assert plot.evaluate("image => image.decode().then(() => image.naturalWidth)") > 400
    page.screenshot(path=tmp_path / "mart.png")

    page.get_by_role("tab", name="Checks").or_(page.get_by_role("link", name="Checks")).first.click()
    expect(page.get_by_text("key_is_unique").first).to_be_visible()
    page.screenshot(path=tmp_path / "checks.png")
    page.get_by_role("tab", name="Lineage").or_(page.get_by_role("link", name="Lineage")).last.click()
    expect(page.get_by_text("orders", exact=True).first).to_be_visible()
    page.screenshot(path=tmp_path / "lineage.png")

    page.goto("/assets/marts/sales_daily")
    page.get_by_role("button", name="Materialize").first.click()
    run = wait_for_run(whole_stack, BY_HAND_JOB, dg.DagsterRunStatus.SUCCESS)
    assert run.asset_selection == {table_key("marts.sales_daily")}


def test_the_sql_page_answers_a_saved_question_with_a_chart_and_as_csv(
    page: Page, whole_stack: Settings, tmp_path: Path
) -> None:
    wait_for_build(whole_stack)
    elsewhere, problems = list[str](), list[str]()
    address = f"http://{HOST}:{whole_stack.port('sql')}/"
    page.on("request", lambda request: elsewhere.append(request.url) if _leaves(request.url, address) else None)
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.set_viewport_size({"width": 1500, "height": 950})
    page.goto(link(whole_stack, "sql"))
    expect(page.get_by_text("marts.sales_daily", exact=True)).to_be_visible()
    assert "token" not in page.url
    for example in examples():
        page.get_by_role("button", name=example.title, exact=True).click()
        expect(page.locator("#outcome")).to_have_text(re.compile(r"rows in \d+ ms, as of snapshot \d+"))
        expect(page.locator("#problem")).to_be_hidden()
        page.wait_for_timeout(1_500)
        page.screenshot(path=tmp_path / f"{example.name}.png")
    assert problems == []
    page.get_by_role("button", name="Revenue by day and channel").click()
    # The viewer draws the chart in a plugin of its own, beside its table.
    expect(page.locator("perspective-viewer-charts-y-bar").first).to_be_attached()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0].split(",")[:4] == ["sale_date", "channel", "currency", "revenue"]
    assert len(lines) == 2

    page.get_by_label("SQL", exact=True).fill("select * from read_text('/etc/passwd')")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#problem")).to_have_text(re.compile("Only the warehouse's own tables"))
    page.screenshot(path=tmp_path / "refused.png")
    assert elsewhere == []


def _leaves(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:"))
