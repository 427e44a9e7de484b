"""A whole stack with a few events of both cases, and a browser to look at its Dagster UI with."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from headrace import stack
from headrace.contracts.decoding import encode
from headrace.contracts.settings import HOST, Settings
from headrace.guard.doors import link
from headrace.streaming.runtime.clients import producer
from tests.integration.samples import customer, feedback, order, post

expect.set_options(timeout=60_000)  # a busy machine draws slowly
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def whole_stack(free_port_base: Callable[[], int]) -> Iterator[Settings]:
    """Everything that `headrace up` starts, with events in four topics."""
    home = Path(tempfile.mkdtemp(prefix="hr-"))
    settings = Settings(home=home, port_base=free_port_base())
    try:
        stack.up(settings)
        sender = producer(settings)
        for topic, event in (
            ("customers", customer("C1")),
            ("orders", order("1", ("A", 2, "2.50"))),
            ("customer_feedback", feedback("F1")),
            ("social_media", post("P1")),
        ):
            sender.produce(topic, encode(event), key=b"C1")
        assert sender.flush(30) == 0
        yield settings
    finally:
        stack.down(settings)
        shutil.rmtree(home)


def logged_in(browser: Browser, settings: Settings, width: int, height: int) -> BrowserContext:
    """A window whose pages have a session, opened as a person opens it: by the link that `headrace up` prints."""
    address = f"http://{HOST}:{settings.port('dagster')}"
    context = browser.new_context(base_url=address, viewport={"width": width, "height": height})
    page = context.new_page()
    page.goto(link(settings, "dagster"))
    expect(page.get_by_text("Search", exact=True).first).to_be_visible()
    assert "token" not in page.url
    page.close()
    return context


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium from the system's packages; Playwright's own build is not downloaded."""
    assert CHROMIUM is not None, "these tests need Chromium: install the package `chromium`"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield launched
        launched.close()
