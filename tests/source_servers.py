"""Small local servers that speak what the sources' real servers speak: Jetstream, Mastodon, and weather over HTTP."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

Feed = Callable[[], list[bytes]]
"""The messages that a server has by now; the list grows."""
TICK_SECONDS = 0.02


def released(messages: list[bytes], seconds: float) -> Feed:
    """A feed that releases one message after another, evenly over some seconds from now on."""
    started = time.monotonic()
    return lambda: messages[: int(min(1.0, (time.monotonic() - started) / seconds) * len(messages))]


def at_once(messages: list[bytes]) -> Feed:
    return lambda: messages


def _time_us(message: bytes) -> int:
    try:
        return int(json.loads(message)["time_us"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return 0


@contextmanager
def jetstream(feed: Feed, *, messages_a_connection: int | None = None) -> Iterator[tuple[str, list[str]]]:
    """A Jetstream server's address, and the paths it was asked for. It replays from the cursor, or from the start.

    With `messages_a_connection` it closes the connection after that many messages.
    """
    asked: list[str] = []

    def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        asked.append(connection.request.path)
        query = parse_qs(urlparse(connection.request.path).query)
        cursor = int(query.get("cursor", ["0"])[0])
        read = sent = 0
        try:
            while True:
                messages = feed()
                for message in messages[read:]:
                    # A message without a readable time is sent right after the one before it.
                    if not 0 < _time_us(message) < cursor:
                        connection.send(message, text=_is_text(message))
                        sent += 1
                        if sent == messages_a_connection:
                            return
                read = len(messages)
                try:
                    connection.recv(TICK_SECONDS)
                except TimeoutError:
                    continue
        except ConnectionClosed:
            return

    with serve(handle, "127.0.0.1", 0, max_size=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/subscribe", asked
        server.shutdown()


def _is_text(message: bytes) -> bool:
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True


class Request:
    """A request as a test's server sees it, and how it is answered."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._handler = handler
        parsed = urlparse(handler.path)
        self.path = parsed.path
        self.query = {name: values[0] for name, values in parse_qs(parsed.query).items()}
        self.headers = {name.lower(): value for name, value in handler.headers.items()}

    def answer(self, status: int, body: bytes = b"", media_type: str = "application/json", **headers: str) -> None:
        handler = self._handler
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if status != 304:
            handler.send_header("Content-Type", media_type)
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def stream(self, chunks: Iterator[bytes], media_type: str = "text/event-stream") -> None:
        """Answer with chunks as they come; the end of them is the end of the connection."""
        handler = self._handler
        handler.send_response(200)
        handler.send_header("Content-Type", media_type)
        handler.send_header("Connection", "close")
        handler.end_headers()
        for chunk in chunks:
            handler.wfile.write(chunk)
            handler.wfile.flush()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients are killed in these tests; their errors are not reported."""


@contextmanager
def http(answer: Callable[[Request], None]) -> Iterator[str]:
    """An HTTP server's address; `answer` is called for each GET."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer(Request(self))

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class names it
            """Log nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class Mastodon:
    """The answers of an instance: an event stream of what is posted from now on, and pages of what was posted."""

    def __init__(self, feed: Feed, *, events_a_connection: int | None = None, page_posts: int = 40) -> None:
        self._feed = feed
        self._events_a_connection = events_a_connection
        self._page_posts = page_posts
        self.requests: list[Request] = []

    def answer(self, request: Request) -> None:
        self.requests.append(request)
        if request.path.startswith("/api/v1/streaming/"):
            request.stream(self._events())
        elif request.path.startswith("/api/v1/timelines/"):
            request.answer(200, self._page(int(request.query.get("min_id", "0"))))
        else:
            request.answer(404)

    def _events(self) -> Iterator[bytes]:
        yield b":)\n\n"
        read = len(self._feed()) if self._events_a_connection is None else 0
        sent = 0
        while self._events_a_connection is None or sent < self._events_a_connection:
            posts = self._feed()
            for post in posts[read:]:
                yield b"event: update\ndata: " + post + b"\n\n"
                sent += 1
            read = len(posts)
            yield b":thump\n"
            time.sleep(TICK_SECONDS)

    def _page(self, min_id: int) -> bytes:
        later = [post for post in self._feed() if int(json.loads(post)["id"]) > min_id]
        return b"[" + b",".join(reversed(later[: self._page_posts])) + b"]"


class Weather:
    """The answers of a provider: what `body` gives, with an ETag, and 304 where the client has it."""

    def __init__(self, body: Callable[[], bytes], **headers: str) -> None:
        self._body = body
        self._headers = headers
        self.requests: list[Request] = []
        self.statuses: list[int] = []
        self.instead: list[Callable[[Request], None]] = []
        """Answers to give first, each once."""

    def answer(self, request: Request) -> None:
        self.requests.append(request)
        if self.instead:
            return self.instead.pop(0)(request)
        body = self._body()
        tag = f'"{hash(body):x}"'
        fresh = request.headers.get("if-none-match") == tag
        self.statuses.append(304 if fresh else 200)
        if fresh:
            request.answer(304, ETag=tag)
        else:
            request.answer(200, body, ETag=tag, **self._headers)
        return None
