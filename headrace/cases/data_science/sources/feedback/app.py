"""The HTTP surface: routes, limits, the token, and error responses. Accepted events go to the `Intake`."""

import asyncio
import hmac
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from importlib.metadata import version
from urllib.parse import parse_qsl
from uuid import uuid4

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from headrace.cases.data_science.sources.feedback.description import PROBLEM_JSON, Problem, Receipt, openapi
from headrace.cases.data_science.sources.feedback.intake import Intake
from headrace.cases.data_science.sources.feedback.limits import RateLimit
from headrace.cases.data_science.sources.feedback.page import form_page, thanks_page
from headrace.cases.data_science.sources.feedback.submissions import (
    MAX_BODY_BYTES,
    MAX_FORM_FIELDS,
    SOURCE,
    Record,
    Rejected,
    customer_token,
    event,
    feedback,
    form,
    idempotency_key,
    is_form_key,
)
from headrace.contracts import clock
from headrace.contracts.settings import Settings
from headrace.guard import clients
from headrace.streaming.runtime import logs, metrics

BODY_SECONDS = 15.0
FORM_BURST = 10
API_BURST_SECONDS = 2.0
TRAP = "website"
"""A field that is hidden from people: only programs fill it in."""
OWN = ("customer_id", "customer_token")
"""Fields that go together: the number counts with its token only."""

_encode = msgspec.json.Encoder().encode
_TITLES = {
    400: "Bad request", 401: "Unauthorized", 403: "Forbidden", 404: "Not found", 405: "Method not allowed",
    408: "Request timeout", 413: "Content too large", 415: "Unsupported media type", 422: "Not valid",
    429: "Too many requests", 503: "Service unavailable",
}  # fmt: skip

Endpoint = Callable[[Request], Awaitable[Response]]


class Service:
    """The endpoints of one running service."""

    def __init__(self, settings: Settings, token: str, intake: Intake) -> None:
        self._token = token.encode()
        self._intake = intake
        self._frame_ancestors = " ".join(["'self'", *settings.feedback_frame_ancestors])
        self._form_limit = RateLimit(settings.feedback_rate / 60, FORM_BURST, time.monotonic)
        rate = settings.feedback_api_rate
        self._api_limit = RateLimit(rate, rate * API_BURST_SECONDS, time.monotonic)
        self._proxies = clients.trusted(settings.feedback_proxies)
        self._description = _encode(openapi(version("headrace")))
        self._log = logs.logger(part="source", source=SOURCE)

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/", self.page, methods=["GET"]),
                Route("/", self.submit, methods=["POST"]),
                Route("/api/feedback", self._counted(self.post_feedback), methods=["POST"]),
                Route("/api/events/{topic}", self._counted(self.post_event), methods=["POST"]),
                Route("/openapi.json", self.describe, methods=["GET"]),
                Route("/health", self.health, methods=["GET"]),
            ]
        )

    # --- the form -------------------------------------------------------------------------------------------------

    async def page(self, request: Request) -> Response:
        """The empty form. `subject`, `product_id` and a customer number with its token go with what is sent."""
        given = {name: request.query_params.get(name, "")[:200] for name in ("subject", "product_id", *OWN)}
        if not self._is_own(given):
            given = {name: value for name, value in given.items() if name not in OWN}
        return self._html(200, lambda nonce: form_page(nonce, uuid4().hex, given))

    async def submit(self, request: Request) -> Response:
        """The filled-in form."""
        fields: dict[str, str] = {}
        try:
            self._limit(self._form_limit, self._client(request))
            if _media_type(request) != "application/x-www-form-urlencoded":
                raise Rejected(415, "The form is sent as application/x-www-form-urlencoded.")
            body = await _body(request)
            fields = self._kept(body)
            record, given = form(body, _now())
            self._require_own(given)
            fields = given
            if fields.get(TRAP):
                metrics.SOURCE_INPUTS.labels(SOURCE, "ignored").inc()
            else:
                await self._intake.take(record)
                metrics.SOURCE_INPUTS.labels(SOURCE, "accepted").inc()
        except Rejected as rejected:
            problem = rejected
            metrics.SOURCE_INPUTS.labels(SOURCE, "rejected").inc()
            key = given if is_form_key(given := fields.get("key", "")) else uuid4().hex
            return self._html(
                problem.status, lambda nonce: form_page(nonce, key, fields, problem.reason), problem.headers
            )
        return self._html(200, lambda nonce: thanks_page(nonce, fields["key"]))

    def _html(self, status: int, page: Callable[[str], str], headers: dict[str, str] | None = None) -> Response:
        nonce = secrets.token_urlsafe(16)
        policy = (
            f"default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; "
            f"frame-ancestors {self._frame_ancestors}"
        )
        return HTMLResponse(
            page(nonce),
            status,
            {
                "Content-Security-Policy": policy,
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cache-Control": "no-store",
                **(headers or {}),
            },
        )

    def _kept(self, body: bytes) -> dict[str, str]:
        """What a person filled in, to be shown again where it cannot be taken."""
        try:
            fields = dict(parse_qsl(body.decode("ascii"), max_num_fields=MAX_FORM_FIELDS))
        except ValueError:
            return {}
        return fields if self._is_own(fields) else {name: fields[name] for name in fields if name not in OWN}

    def _require_own(self, fields: Mapping[str, str]) -> None:
        """A customer number is claimed by a link that the shop gives out, not by typing one."""
        if fields.get("customer_id") and not self._is_own(fields):
            raise Rejected(403, "This customer number needs the link that came with it. Send your feedback without it.")

    def _is_own(self, fields: Mapping[str, str]) -> bool:
        given = fields.get("customer_token", "").encode(errors="surrogatepass")
        expected = customer_token(self._token, fields.get("customer_id", ""))
        return bool(fields.get("customer_id")) and hmac.compare_digest(given, expected.encode())

    def _client(self, request: Request) -> str:
        peer = request.client.host if request.client else ""
        return clients.client(peer, request.headers.getlist("x-forwarded-for"), self._proxies)

    # --- the API --------------------------------------------------------------------------------------------------

    async def post_feedback(self, request: Request) -> Response:
        """Feedback from a program."""
        key = idempotency_key(request.headers.get("idempotency-key", "") or uuid4().hex)
        return await self._store(feedback(await _json(request), key, _now()))

    async def post_event(self, request: Request) -> Response:
        """An event of any input topic; its `event_id` is the key."""
        return await self._store(event(request.path_params["topic"], await _json(request)))

    async def describe(self, _request: Request) -> Response:
        """The API's own description."""
        return Response(self._description, media_type="application/json")

    async def health(self, _request: Request) -> Response:
        """Whether the process answers."""
        return JSONResponse({"status": "ok"})

    async def _store(self, record: Record) -> Response:
        await self._intake.take(record)
        receipt = _encode(Receipt(record.event.event_id, record.topic))
        return Response(receipt, 202, media_type="application/json")

    def _counted(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint behind the token and the limit, with errors returned as problem documents, and requests
        counted."""

        async def answer(request: Request) -> Response:
            try:
                self._authorize(request)
                self._limit(self._api_limit, "api")
                response = await endpoint(request)
            except Rejected as rejected:
                metrics.SOURCE_INPUTS.labels(SOURCE, "rejected").inc()
                metrics.SOURCE_FAILURES.labels(SOURCE, str(rejected.status)).inc()
                problem = Problem(_TITLES[rejected.status], rejected.status, rejected.reason)
                return Response(_encode(problem), rejected.status, rejected.headers, PROBLEM_JSON)
            metrics.SOURCE_INPUTS.labels(SOURCE, "accepted").inc()
            return response

        return answer

    def _authorize(self, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._token):
            raise Rejected(401, "Give the token as `Authorization: Bearer …`.", {"WWW-Authenticate": "Bearer"})

    def _limit(self, limit: RateLimit, caller: str) -> None:
        if wait := limit.wait(caller):
            raise Rejected(429, "Too many requests: wait a little.", {"Retry-After": str(math.ceil(wait))})


async def _json(request: Request) -> bytes:
    if _media_type(request) != "application/json":
        raise Rejected(415, "The body is sent as application/json.")
    return await _body(request)


async def _body(request: Request) -> bytes:
    """The body, bounded in size and time.

    Raises:
        Rejected: it is too long or too slow.
    """
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
        raise _too_long()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise _too_long()
    except TimeoutError:
        raise Rejected(408, f"The body did not arrive in {BODY_SECONDS:.0f} s.", {"Connection": "close"}) from None
    except ClientDisconnect:
        raise Rejected(400, "The body ended early.") from None
    return bytes(body)


def _too_long() -> Rejected:
    return Rejected(413, f"The body is longer than {MAX_BODY_BYTES} bytes.", {"Connection": "close"})


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _now() -> datetime:
    return clock.now()
