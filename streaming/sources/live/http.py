"""HTTP for the sources, with limits on time and size for any server behavior."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from headrace.contracts import clock
from headrace.contracts.errors import Terminal, Transient
from headrace.streaming.sources.live.sessions import AskedToWait

MAX_ANSWER_BYTES = 8_000_000
CONNECT_SECONDS, READ_SECONDS, ANSWER_SECONDS = 10.0, 30.0, 60.0
DEFAULT_WAIT_SECONDS = 60.0
_REFUSED = (401, 403)


def client(user_agent: str, *, read_seconds: float = READ_SECONDS, token: str | None = None) -> httpx.Client:
    """A client that says who it is. Redirects are followed, the token is only sent to the server it is for."""
    headers = {"User-Agent": user_agent} | ({"Authorization": f"Bearer {token}"} if token else {})
    return httpx.Client(
        headers=headers, timeout=httpx.Timeout(CONNECT_SECONDS, read=read_seconds), follow_redirects=True
    )


@contextmanager
def opened(
    session: httpx.Client, url: str, media_type: str, parameters: Mapping[str, str], headers: Mapping[str, str]
) -> Iterator[httpx.Response]:
    """A response whose body was not read yet: of the media type, or 304.

    Raises:
        Transient: no such answer now.
        Terminal: the server refuses this client.
    """
    try:
        with session.stream("GET", url, params=parameters, headers={"Accept": media_type, **headers}) as response:
            _check(response, media_type)
            yield response
    except (httpx.TransportError, httpx.DecodingError, httpx.TooManyRedirects) as error:
        raise Transient(f"{httpx.URL(url).host} does not answer as it should: {type(error).__name__}.") from error


def body(response: httpx.Response) -> bytes:
    """The whole body.

    Raises:
        Transient: it is too long, or drips.
    """
    found, deadline = bytearray(), time.monotonic() + ANSWER_SECONDS
    for chunk in response.iter_bytes():
        found += chunk
        if len(found) > MAX_ANSWER_BYTES or time.monotonic() > deadline:
            raise Transient(f"The answer of {response.url.host} is too long, or comes too slowly.")
    return bytes(found)


def _check(response: httpx.Response, media_type: str) -> None:
    host, status = response.url.host, response.status_code
    if status in _REFUSED:
        raise Terminal(
            f"{host} refuses the request ({status}).", remedy="Check the source's token or contact in its settings."
        )
    if status == 429 or (status == 503 and "retry-after" in response.headers):
        wait = retry_after(response.headers.get("retry-after"), clock.now())
        raise AskedToWait(f"{host} asks to wait ({status}).", wait)
    if status == 304:
        return
    if not response.is_success:
        raise Transient(f"{host} answers {status}.")
    found = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if found != media_type and not (media_type == "application/json" and found.endswith("+json")):
        raise Transient(f"{host} answers {found[:60] or 'without a content type'} instead of {media_type}.")


def retry_after(value: str | None, now: datetime) -> float:
    """Seconds that a `Retry-After` header asks for, in either of its forms."""
    if value is None:
        return DEFAULT_WAIT_SECONDS
    if value.strip().isdecimal():
        return float(value)
    moment = http_date(value)
    return DEFAULT_WAIT_SECONDS if moment is None else max(0.0, (moment - now).total_seconds())


def http_date(value: str | None) -> datetime | None:
    """A time as HTTP headers have it; None where it is none."""
    try:
        moment = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
