"""A whole stack to attack, with the feedback service, and a browser that another origin's pages are opened in."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from headrace import stack
from headrace.contracts.settings import HOST, Settings
from headrace.guard.doors import DAGSTER_TOKEN, METRICS_TOKEN, SQL_TOKEN, authorization
from headrace.stack.programs import programs
from tests.ui.conftest import ARGUMENTS, CHROMIUM

REBOUND = "rebound.example"
"""A host name that an attacker's DNS server resolves to this machine."""


@pytest.fixture(scope="session")
def attacked(free_port_base: Callable[[], int]) -> Iterator[Settings]:
    """Everything that `headrace up` starts, and the feedback service."""
    home = Path(tempfile.mkdtemp(prefix="hr-"))
    settings = Settings(home=home, port_base=free_port_base(), sources=("feedback",))
    try:
        stack.up(settings)
        yield settings
    finally:
        stack.down(settings)
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Headless Chromium, to which `REBOUND` is this machine."""
    assert CHROMIUM is not None, "these tests need Chromium: install the package `chromium`"
    with sync_playwright() as playwright:
        rebinding = f"--host-resolver-rules=MAP {REBOUND} {HOST}"
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, rebinding])
        yield launched
        launched.close()


def guarded_ports(settings: Settings) -> dict[str, tuple[int, dict[str, str]]]:
    """Every HTTP port that the guard stands before, but the public form's, with the header that opens it."""
    metrics = authorization(settings, METRICS_TOKEN)
    found: dict[str, tuple[int, dict[str, str]]] = {
        "dagster": (settings.port("dagster"), authorization(settings, DAGSTER_TOKEN)),
        "sql": (settings.port("sql"), authorization(settings, SQL_TOKEN)),
    }
    parts = ("landers", "processors", "sources", "connectors")
    for each in programs(settings):
        if each.part in parts and isinstance(each.port, int):
            found[each.name] = each.port, metrics
    return found


def ask(port: int, method: str = "GET", path: str = "/", **given: object) -> httpx.Response:
    """A request as a program sends it, with exactly these headers beside the ordinary ones."""
    with httpx.Client(base_url=f"http://{HOST}:{port}", trust_env=False, timeout=30) as client:
        return client.request(method, path, **given)  # pyright: ignore[reportArgumentType]
