"""An alert of a failed run names the failure and the run, and contains no secret."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from headrace.contracts.settings import Settings
from headrace.orchestration.defs.sensors import alerts


@pytest.fixture
def hook() -> Iterator[tuple[str, list[bytes]]]:
    """A webhook that keeps its requests, and its address."""
    taken: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(500 if self.path == "/broken" else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is given
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", taken
    server.shutdown()
    server.server_close()


def test_an_alert_names_the_steps_their_reasons_and_the_run() -> None:
    posted = alerts.alert(Settings(), "build", "r1", {"core__orders": "The file is missing.\nline 2"}, "")
    assert posted["steps"] == {"core.orders": "The file is missing."}
    assert posted["url"] == "http://127.0.0.1:19093/runs/r1"
    assert "build failed. core.orders: The file is missing." in posted["text"]


@pytest.mark.parametrize(
    "message",
    [
        "cannot connect: password=hunter2 host=x",
        "cannot connect to postgresql://headrace:hunter2@db/x",
        "refused: Token: hunter2",
        "api_key=hunter2",
    ],
)
def test_credentials_that_an_error_repeats_are_left_out(message: str) -> None:
    assert "hunter2" not in alerts.redacted(message)
    assert len(alerts.redacted("x" * 10_000)) == alerts.MAX_ERROR


def test_an_alert_is_posted_and_an_unavailable_webhook_is_no_failure(hook: tuple[str, list[bytes]]) -> None:
    url, taken = hook
    assert alerts.post(url, {"text": "hello"}) is None
    assert taken == [b'{"text":"hello"}']
    assert alerts.post(f"{url}/broken", {}) == "HTTP status 500"
    problem = alerts.post("http://127.0.0.1:9/secret-path", {})
    assert problem == "ConnectError"
