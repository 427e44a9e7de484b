"""Applies the rules to a WSGI application, and runs it on a server that slow clients cannot block."""

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from headrace.contracts import clock
from headrace.guard.rules import Asked, Door

REQUEST_SECONDS = 10.0
"""Maximum lifetime of a connection, from its first byte to the end of the response."""
MOST_CONNECTIONS = 32
_PHRASES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 405: "Method Not Allowed", 415: "Unsupported"}

App = Callable[[dict[str, Any], Any], Iterable[bytes]]


def guarded(app: App, door: Door) -> App:
    """The application behind a door."""

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        refusal = door.refusal(_asked(environ), clock.seconds())
        if refusal is None:
            return app(environ, start_response)
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")]
        if refusal.status == 401:
            headers.append(("WWW-Authenticate", "Bearer"))
        start_response(f"{refusal.status} {_PHRASES[refusal.status]}", headers)
        return [f"{refusal.message}\n".encode()]

    return answer


def _asked(environ: dict[str, Any]) -> Asked:
    headers = [(name[5:].replace("_", "-").lower(), value) for name, value in environ.items() if name[:5] == "HTTP_"]
    given = [name for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if environ.get(name)]
    headers += [(name.replace("_", "-").lower(), environ[name]) for name in given]
    return Asked(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", ""), tuple(headers))


class _Server(ThreadingMixIn, WSGIServer):
    """One thread per connection, up to a small number; further connections wait."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._free = threading.BoundedSemaphore(MOST_CONNECTIONS)

    def server_bind(self) -> None:
        # Skips WSGIServer's lookup of the machine's name.
        socket.socket.bind(self.socket, self.server_address)
        self.server_name, self.server_port = self.socket.getsockname()[:2]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._free.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        # A limit for the whole request: a socket's timeout restarts with every byte.
        ending = threading.Timer(REQUEST_SECONDS, _end, [request])
        ending.daemon = True
        ending.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            ending.cancel()
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect or are too slow."""


def _end(connection: socket.socket) -> None:
    with suppress(OSError):  # it is closed already
        connection.shutdown(socket.SHUT_RDWR)


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_SECONDS

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  the name in the base class
        """Log nothing."""


def serve(app: App, host: str, port: int, door: Door) -> None:
    """Serve in a separate thread until the process ends.

    Raises:
        OSError: the port is taken.
    """
    server = _Server((host, port), _Handler)
    server.set_app(guarded(app, door))
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
