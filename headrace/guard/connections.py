"""uvicorn's protocol with limits: requests must arrive in time, and idle connections make room for new ones."""

import asyncio
import resource
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_CONNECTIONS = 1_000
MOST_OF_ONE_CLIENT = 250
REQUEST_SECONDS = 20.0
"""A request must be complete this long after its connection opened or its first byte arrived."""
MAX_HEADERS_BYTES = 65_536
_FILES_OF_ITS_OWN = 256


@dataclass
class _Held:
    """The connections of one server, in the order of idle time, longest first."""

    most: int
    waiting: OrderedDict["_Bounded", None] = field(default_factory=OrderedDict["_Bounded", None])
    by_client: dict[str, "OrderedDict[_Bounded, None]"] = field(
        default_factory=dict[str, "OrderedDict[_Bounded, None]"]
    )
    open: int = 0


class _Bounded(HttpToolsProtocol):
    held: _Held
    _deadline: asyncio.TimerHandle | None = None
    _address: str | None = None
    _headers_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        mine = self.held.by_client.setdefault(self._address, OrderedDict())
        self.held.open += 1
        mine[self] = None
        self.held.waiting[self] = None
        self._wait_for_request()
        if len(mine) > MOST_OF_ONE_CLIENT:
            self._make_room(next((each for each in mine if each in self.held.waiting), self))
        if self.held.open > self.held.most:
            self._make_room(next(iter(self.held.waiting), self))

    def _make_room(self, other: "_Bounded") -> None:
        other.transport.abort()
        other.leave()

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and self._is_waiting():
            self._wait_for_request()
        super().data_received(data)
        if self._address is None:
            return
        if self._is_waiting():
            self.held.waiting.setdefault(self, None)
            self._headers_bytes += len(data)
            if self._headers_bytes > MAX_HEADERS_BYTES:
                self.transport.abort()
        else:
            self.held.waiting.pop(self, None)
            self._headers_bytes = 0
            if not self.cycle.more_body:
                self._stop_waiting()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._address is not None and self._is_waiting():
            self._stop_waiting()
            self.held.waiting[self] = None

    def handle_websocket_upgrade(self) -> None:
        self.leave()
        super().handle_websocket_upgrade()

    def connection_lost(self, exc: Exception | None) -> None:
        self.leave()
        super().connection_lost(exc)

    def leave(self) -> None:
        """Stop counting this connection. Idempotent."""
        if self._address is None:
            return
        self._stop_waiting()
        self.held.open -= 1
        self.held.waiting.pop(self, None)
        mine = self.held.by_client[self._address]
        del mine[self]
        if not mine:
            del self.held.by_client[self._address]
        self._address = None

    def _is_waiting(self) -> bool:
        """Whether the connection is idle: no request is being answered, or received beyond its headers."""
        cycle: Any = self.cycle
        return cycle is None or cycle.response_complete

    def _wait_for_request(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._too_slow)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self.transport.abort()


def bounded() -> dict[str, Any]:
    """Settings for uvicorn: the protocol for one server, with connections up to the process's limit on open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST_CONNECTIONS + _FILES_OF_ITS_OWN
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    most = min(MOST_CONNECTIONS, max(16, (soft - _FILES_OF_ITS_OWN) // 2))
    protocol = type("Bounded", (_Bounded,), {"held": _Held(most)})
    # Proxy headers are handled in `clients`, where trusted proxies are known.
    return {"http": protocol, "proxy_headers": False, "server_header": False}
