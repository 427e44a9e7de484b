"""Applies the rules to an ASGI application, and serves the page where a browser gets its session."""

import json
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from importlib.resources import files
from string import Template
from typing import Any

from headrace.guard.rules import Asked, Door, Refusal
from headrace.guard.sessions import SESSION_SECONDS, Credential

SESSION_PATH = "/headrace/session"
MAX_TOKEN_BYTES = 1_000
_FRAMES = (b"x-frame-options", b"DENY")
_PAGE = Template(files("headrace.guard").joinpath("login.html").read_text("utf-8"))

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Guard:
    """An application behind a door. WebSockets are denied before they are accepted."""

    def __init__(self, app: App, door: Door, clock: Callable[[], float] = time.time) -> None:
        self._app = app
        self._door = door
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):  # lifespan
            await self._app(scope, receive, send)
            return
        asked = _asked(scope)
        own = self._door.credentials[:1]
        if own and not asked.websocket and asked.path == SESSION_PATH and asked.method == "POST":
            await self._open_session(own[0], asked, receive, send)
            return
        refusal = self._door.refusal(asked, self._clock())
        if refusal is None:
            await self._app(scope, receive, _unframed(send) if own else send)
        elif asked.websocket:
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
        elif refusal.status == 401 and asked.is_page_visit and "text/html" in asked.value("accept"):
            await _login_page(send)
        else:
            await _refuse(refusal, send)

    async def _open_session(self, own: Credential, asked: Asked, receive: Receive, send: Send) -> None:
        refusal = self._door.same_origin(asked)
        # Always require JSON: a page of another origin cannot send it without a CORS preflight.
        if refusal is None and asked.value("content-type").partition(";")[0].strip().lower() != "application/json":
            refusal = Refusal(415, "Send the body as application/json.")
        if refusal is None and not own.opens(_token(await _body(receive)), self._clock()):
            refusal = Refusal(401, "This link has expired, or the token is wrong. `headrace login` prints a new link.")
        if refusal is not None:
            await _refuse(refusal, send)
            return
        cookie = (
            f"{own.cookie}={own.session(self._clock())}; Path=/; Max-Age={SESSION_SECONDS}; HttpOnly; SameSite=Strict"
        )
        await _answer(send, 200, [(b"set-cookie", cookie.encode()), (b"content-type", b"application/json")], b"{}")


def _asked(scope: Scope) -> Asked:
    headers = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"])
    websocket = scope["type"] == "websocket"
    method = "GET" if websocket else scope["method"]
    return Asked(method, scope["path"], scope.get("query_string", b"").decode("latin-1"), headers, websocket)


def _unframed(send: Send) -> Send:
    """Forbid framing of pages that need a session, to prevent clickjacking."""

    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), _FRAMES]
        await send(message)

    return sending


async def _body(receive: Receive) -> bytes:
    """The body; empty if it is too long to be a token."""
    body = bytearray()
    while len(body) <= MAX_TOKEN_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    return bytes(body) if len(body) <= MAX_TOKEN_BYTES else b""


def _token(body: bytes) -> str:
    try:
        token = json.loads(body)["token"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return token if isinstance(token, str) and token.isascii() else ""


async def _refuse(refusal: Refusal, send: Send) -> None:
    body = json.dumps({"error": "denied", "message": refusal.message}).encode()
    more = [(b"www-authenticate", b"Bearer")] if refusal.status == 401 else []
    await _answer(send, refusal.status, [(b"content-type", b"application/json"), *more], body)


async def _login_page(send: Send) -> None:
    nonce = secrets.token_urlsafe(16)
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-security-policy", policy.encode())]
    body = _PAGE.substitute(nonce=nonce, session=SESSION_PATH).encode()
    await _answer(send, 401, [*headers, (b"www-authenticate", b"Bearer")], body)


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    always = [
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        _FRAMES,
    ]
    # The rest of the body is not read.
    closing = [(b"connection", b"close")] if status >= 400 else []
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *always, *closing]})
    await send({"type": "http.response.body", "body": body})
