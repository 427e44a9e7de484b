"""The feedback form in a browser: on a desktop, on a phone, without scripts, and without a broker.

The service is the real one, with its intake; only the broker is a list. Screenshots are left in pytest's temporary
folder, to be looked at.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, expect

from headrace.cases.data_science.sources.feedback.app import Service
from headrace.cases.data_science.sources.feedback.intake import Intake
from headrace.cases.data_science.sources.feedback.seen import Seen
from headrace.cases.data_science.sources.feedback.submissions import customer_token
from headrace.cases.data_science.topics.customer_feedback import CustomerFeedback
from headrace.contracts.decoding import decode
from headrace.contracts.errors import Transient
from headrace.contracts.settings import HOST, Settings

START_SECONDS = 30.0
PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 900}


@dataclass
class Broker:
    """Accepts records as Kafka would, or is unavailable."""

    events: list[CustomerFeedback] = field(default_factory=list[CustomerFeedback])
    away: bool = False

    async def send(self, topic: str, key: bytes, value: bytes | None) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise Transient("away")
        assert topic == "customer_feedback"
        assert value is not None
        self.events.append(decode(CustomerFeedback, value))

    async def close(self) -> None:
        return


@dataclass
class Form:
    """The form's address, and what arrived behind it."""

    address: str
    broker: Broker


@pytest.fixture
def form() -> Iterator[Form]:
    broker = Broker()
    app = Service(Settings(), "a token", Intake(broker, Seen())).app()
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not server.started:
            assert time.monotonic() < deadline, "the service did not start"
            time.sleep(0.02)
        yield Form(f"http://{HOST}:{listener.getsockname()[1]}/", broker)
        server.should_exit = True
        thread.join(START_SECONDS)


def opened(browser: Browser, size: dict[str, int], **options: bool) -> BrowserContext:
    return browser.new_context(viewport={"width": size["width"], "height": size["height"]}, **options)  # pyright: ignore[reportArgumentType]


def scrolls_sideways(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


def test_a_submitted_form_is_stored_and_confirmed(form: Form, browser: Browser, tmp_path: Path) -> None:
    problems = list[str]()
    with opened(browser, DESK) as context:
        page = context.new_page()
        page.on(
            "console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None
        )
        own = f"customer_id=17850&customer_token={customer_token(b'a token', '17850')}"
        page.goto(f"{form.address}?product_id=85123A&subject=mugs&{own}")
        page.get_by_label("4", exact=True).check()
        page.get_by_label("Your feedback").fill("Nice mugs ✓\n<b>thank you</b>")
        expect(page.get_by_text("Customer number: 17850")).to_be_visible()
        page.screenshot(path=tmp_path / "filled.png", full_page=True)
        page.get_by_role("button", name="Send feedback").click()
        expect(page.get_by_role("status")).to_have_text("Your feedback has been received.")
        page.screenshot(path=tmp_path / "thanks.png")
        (event,) = form.broker.events
        expect(page.get_by_text(f"Reference: {event.event_id}")).to_be_visible()
        page.get_by_role("link", name="Give more feedback").click()
        expect(page.get_by_label("Your feedback")).to_have_value("")
    assert (event.rating, event.customer_id, event.product_id, event.subject) == (4, "17850", "85123A", "mugs")
    assert (event.text or "").splitlines() == ["Nice mugs ✓", "<b>thank you</b>"]
    assert problems == [], "the page's content security policy blocks nothing"


def test_a_phone_shows_all_of_it_without_scrolling_sideways_and_without_scripts(
    form: Form, browser: Browser, tmp_path: Path
) -> None:
    with opened(browser, PHONE, java_script_enabled=True, is_mobile=True, has_touch=True) as context:
        page = context.new_page()
        page.goto(form.address)
        assert not scrolls_sideways(page)
        page.screenshot(path=tmp_path / "phone.png", full_page=True)
        for name in ("1", "5"):
            box = page.locator(".stars label").nth(int(name) - 1).bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 44, "large enough for a finger"
    with opened(browser, PHONE, java_script_enabled=False, is_mobile=True, has_touch=True) as context:
        page = context.new_page()
        page.goto(form.address)
        page.locator(".stars label").nth(4).tap()
        page.get_by_label("Your feedback").fill("w" * 300)
        page.get_by_role("button", name="Send feedback").tap()
        expect(page.get_by_role("status")).to_be_visible()
        page.screenshot(path=tmp_path / "phone-thanks.png")
    assert [(event.rating, event.text) for event in form.broker.events] == [(5, "w" * 300)]


def test_every_field_has_a_label_and_the_keyboard_is_enough(form: Form, browser: Browser) -> None:
    with opened(browser, DESK) as context:
        page = context.new_page()
        page.goto(form.address)
        fields = page.locator("input:not([type=hidden]), textarea")
        assert fields.count() == 7
        unlabelled = fields.evaluate_all("all => all.filter(each => !each.labels || !each.labels.length).length")
        assert unlabelled == 0
        visited = list[str]()
        for _ in range(3):
            page.keyboard.press("Tab")
            visited.append(str(page.evaluate("document.activeElement.name || document.activeElement.type")))
        assert visited == ["rating", "text", "submit"], "not the field that only programs see"
        page.get_by_label("1", exact=True).focus()
        page.keyboard.press("ArrowRight")
        page.get_by_role("button", name="Send feedback").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_be_visible()
    assert [event.rating for event in form.broker.events] == [2]


def test_the_form_keeps_its_text_when_it_cannot_be_stored(form: Form, browser: Browser, tmp_path: Path) -> None:
    with opened(browser, PHONE) as context:
        page = context.new_page()
        page.goto(form.address)
        page.get_by_role("button", name="Send feedback").click()
        expect(page.get_by_role("alert")).to_be_visible()
        page.get_by_label("Your feedback").fill("Please keep me")
        page.get_by_label("3", exact=True).check()
        form.broker.away = True
        page.get_by_role("button", name="Send feedback").click()
        expect(page.get_by_role("alert")).to_contain_text("could not be stored")
        assert not scrolls_sideways(page)
        page.screenshot(path=tmp_path / "away.png", full_page=True)
        expect(page.get_by_label("Your feedback")).to_have_value("Please keep me")
        form.broker.away = False
        page.get_by_role("button", name="Send feedback").click()
        expect(page.get_by_role("status")).to_be_visible()
    assert [(event.rating, event.text) for event in form.broker.events] == [(3, "Please keep me")]
