"""A real server under clients that hold connections open and send nothing, or half."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from headrace.contracts.settings import HOST
from headrace.guard import connections

HALF = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-"
SLOW = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nx"


async def _read(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server that holds 40 connections, 20 of one client, each for a second until its request has come."""
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 40)
    monkeypatch.setattr(connections, "MOST_OF_ONE_CLIENT", 20)
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 1.0)
    app = Starlette(routes=[Route("/", _read, methods=["GET", "POST"])])
    listener = socket.create_server((HOST, 0), backlog=256)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", **connections.bounded()))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)


def hold(stack: ExitStack, port: int, number: int, sent: bytes = b"", source: str = "127.0.0.1") -> list[socket.socket]:
    held = [stack.enter_context(socket.create_connection((HOST, port), 5, (source, 0))) for _ in range(number)]
    for connection in held:
        if sent:
            connection.sendall(sent)
    return held


def is_closed(connection: socket.socket) -> bool:
    connection.settimeout(5)
    try:
        return connection.recv(100) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("sent", [b"", HALF, b"GET"], ids=["nothing", "half a header", "a word"])
def test_waiting_connections_do_not_block_the_next_client(port: int, sent: bytes) -> None:
    with ExitStack() as stack:
        for source in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
            hold(stack, port, 60, sent, source)
        started = time.monotonic()
        for _ in range(10):
            assert httpx.get(f"http://{HOST}:{port}/", timeout=5).text == "0"
        assert time.monotonic() - started < 5


def test_half_a_request_is_dropped_in_time_and_a_whole_one_is_not(port: int) -> None:
    with ExitStack() as stack, httpx.Client(base_url=f"http://{HOST}:{port}") as client:
        assert client.get("/").text == "0"
        (half,), (slow,) = hold(stack, port, 1, HALF), hold(stack, port, 1, SLOW)
        for connection in (half, slow):
            assert is_closed(connection)
        assert client.get("/").text == "0", "a connection that has been used stays"


def test_headers_without_end_are_cut_off(port: int) -> None:
    with ExitStack() as stack:
        (connection,) = hold(stack, port, 1, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        connection.settimeout(0.5)
        with suppress(OSError):
            for number in range(200):
                connection.sendall(b"X-%d: " % number + b"x" * 1_000 + b"\r\n")
        assert is_closed(connection)
