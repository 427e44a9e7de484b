"""The server of the metrics ports under clients that send slowly."""

import socket
import time
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from headrace.contracts.settings import HOST
from headrace.guard import wsgi
from headrace.guard.rules import Door


def _app(_environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"inside"]


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return listener.getsockname()[1]


def test_clients_that_send_slowly_do_not_block_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsgi, "REQUEST_SECONDS", 1.0)
    monkeypatch.setattr(wsgi, "MOST_CONNECTIONS", 4)
    wsgi.serve(_app, HOST, port := _free_port(), Door())
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection((HOST, port), 5)) for _ in range(4)]
        started = time.monotonic()
        while time.monotonic() - started < 2:
            for connection in slow:
                try:
                    connection.sendall(b"G")
                except OSError:
                    continue
            time.sleep(0.2)
        assert httpx.get(f"http://{HOST}:{port}/", timeout=0.8).text == "inside"
