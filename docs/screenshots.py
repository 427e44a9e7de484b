"""Takes the README's screenshots of a running stack into docs/images: `make screenshots`, after a tutorial or a demo.

Needs Chromium. The stack is the one that the settings name (`HEADRACE_HOME`, `HEADRACE_PORT_BASE`).
"""

import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from headrace.contracts.settings import HOST, Settings
from headrace.guard.doors import link

IMAGES = Path(__file__).parent / "images"
WIDTH, HEIGHT = 1600, 1000
COLORS = 128  # a palette keeps each file below 200 kB
SETTLE_MS = 4_000  # drawing ends without a sign in the page
WAIT_MS = 120_000


def asset_graph(page: Page, settings: Settings) -> None:
    """The shop's assets from topics to marts, with those of `core` spread out."""
    page.goto(link(settings, "dagster"))
    page.get_by_text("Search", exact=True).first.wait_for()
    case = "global@global:ecommerce"
    page.goto(f"http://{HOST}:{settings.port('dagster')}/asset-groups?expanded={case},{case}/core")
    page.locator("foreignObject").get_by_text("order_lines", exact=True).wait_for()


def mart(page: Page, settings: Settings) -> None:
    """A mart's page with its plot."""
    page.goto(f"http://{HOST}:{settings.port('dagster')}/assets/marts/sales_daily")
    plot = page.locator('img[src*="/plots/marts.sales_daily.png"]').first
    plot.wait_for()
    plot.evaluate("image => image.decode()")
    plot.scroll_into_view_if_needed()


def sql_page(page: Page, settings: Settings) -> None:
    """A saved query with its chart."""
    page.goto(link(settings, "sql"))
    page.get_by_role("button", name="Revenue by day and channel").click()
    page.locator("perspective-viewer-charts-y-bar").first.wait_for(state="attached")


def main() -> None:
    """Take every screenshot."""
    settings = Settings()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}).new_page()
        page.set_default_timeout(WAIT_MS)
        for name, show in (("asset-graph", asset_graph), ("mart", mart), ("sql-page", sql_page)):
            show(page, settings)
            page.wait_for_timeout(SETTLE_MS)
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(COLORS)
            picture.save(IMAGES / f"{name}.png", optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
