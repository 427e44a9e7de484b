"""Pages of other origins in a browser that is logged in: they can do nothing, read nothing and show nothing."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext

from headrace.contracts.settings import HOST, Settings
from headrace.guard.doors import link
from tests.security.attacking import REBOUND, guarded_ports
from tests.security.test_http_ports import MUTATION, assets

ATTACK = """async ([port, path, query]) => {
  const base = `http://127.0.0.1:${port}`, seen = [];
  const note = (name, work) => work().then((what) => seen.push([name, what]), (error) => seen.push([name, "failed"]));
  const body = JSON.stringify({ query });
  const read = async (options, address = path) => {
    const answer = await fetch(base + address, { credentials: "include", ...options });
    return answer.type === "opaque" ? "opaque" : `read ${answer.status}`;
  };
  await note("get", () => read({ mode: "no-cors" }, `${path}?query=${encodeURIComponent(query)}`));
  await note("read", () => read({}));
  await note("text", () => read({ method: "POST", mode: "no-cors", body }));
  await note("json", () => read({ method: "POST", body, headers: { "Content-Type": "application/json" } }));
  await note("form", () => read({ method: "POST", mode: "no-cors", body: new URLSearchParams({ query }) }));
  await note("token", () => read({ method: "POST", mode: "no-cors", body: '{"token": "x"}' }, "/headrace/session"));
  await note("socket", () => new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, "graphql-ws");
    socket.onopen = () => resolve("open");
    socket.onerror = () => resolve("failed");
  }));
  await note("frame", () => new Promise((resolve) => {
    const frame = document.createElement("iframe");
    frame.onload = () => resolve("loaded");
    frame.src = base + path;
    document.body.append(frame);
  }));
  return seen;
}"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server that is not the stack's, with an empty page."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "index.html").write_text("<!doctype html><title>evil</title><body>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer((HOST, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def victim(chromium: Browser, attacked: Settings) -> Iterator[BrowserContext]:
    """A browser that has sessions at Dagster and at the SQL page."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(link(attacked, "dagster"))
    page.get_by_text("Search", exact=True).first.wait_for()
    opened = page.goto(f"http://{HOST}:{attacked.port('sql')}/")  # Dagster's session opens it too
    assert opened is not None
    assert opened.ok
    page.close()
    yield context
    context.close()


@pytest.mark.parametrize("origin", ["http://127.0.0.1:{port}/", "http://localhost:{port}/"])
def test_a_page_of_another_origin_does_and_reads_nothing(
    attacked: Settings, elsewhere: int, victim: BrowserContext, origin: str
) -> None:
    page = victim.new_page()
    page.goto(origin.format(port=elsewhere))
    ports = {name: port for name, (port, _) in guarded_ports(attacked).items()}
    for name, port in ports.items():
        query = MUTATION.format(name=f"attack_{name.replace('-', '_')}")
        seen = dict(page.evaluate(ATTACK, [port, "/graphql" if name == "dagster" else "/", query]))
        # A page cannot read an opaque answer; the effects are checked below.
        assert set(seen.values()) <= {"opaque", "failed", "loaded"}, (name, seen)
        assert seen["socket"] == "failed"
        assert seen["json"] == seen["read"] == "failed"
    framed = [frame for frame in page.frames[1:] if frame.url.startswith(f"http://{HOST}:{ports['dagster']}")]
    assert not any("Search" in (frame.content()) for frame in framed)
    page.set_content(
        f'<form method=post enctype=text/plain action="http://{HOST}:{ports["dagster"]}/graphql">'
        f'<input name=\'{{"query": "{quote(MUTATION.format(name="attack_form"))}", "x": "\' value=\'"}}\'></form>'
    )
    page.evaluate("document.forms[0].submit()")
    page.wait_for_load_state()
    assert not [name for name in assets(attacked) if name.startswith("attack")]


def test_a_host_name_rebound_to_this_machine_gets_nothing(attacked: Settings, victim: BrowserContext) -> None:
    page = victim.new_page()
    ports = [port for port, _ in guarded_ports(attacked).values()] + [attacked.port("feedback")]
    for port in ports:
        answer = page.goto(f"http://{REBOUND}:{port}/")
        assert answer is not None
        assert answer.status == 400
        assert "<script" not in answer.text()


def test_a_link_on_another_site_opens_the_page_in_a_logged_in_browser(
    attacked: Settings, elsewhere: int, victim: BrowserContext, tmp_path: Path
) -> None:
    page = victim.new_page()
    page.goto(f"http://localhost:{elsewhere}/")
    address = f"http://{HOST}:{attacked.port('dagster')}/runs"
    page.set_content(f'<a href="{address}">run</a>')
    page.get_by_role("link").click()
    page.wait_for_url(address)
    page.get_by_role("link", name="Open the page.").click()
    page.get_by_text("Search", exact=True).first.wait_for()
    page.screenshot(path=tmp_path / "opened.png")
