"""Reads the fields of a line with named values: nginx's variables, Caddy's JSON, and other usual names."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import msgspec

from headrace.cases.ecommerce.sources.access_log.clients import client_of
from headrace.cases.ecommerce.sources.access_log.fields import LineFields, Stamp, split_request
from headrace.streaming.sources.times import parse_utc

Values = Mapping[str, str | None]

CLIENTS = ("http_x_forwarded_for", "remote_addr", "client_ip", "remote_ip", "remote_host", "client", "ip")
TIMES = ("time_local", "time_iso8601", "msec", "timestamp", "@timestamp", "time", "ts")
STRFTIME = "strftime"
"""The parts of a time with its own format: `strftime0` and so on, in the order of the line."""
PATHS = ("request_uri", "uri", "path")
_SIZES = ("body_bytes_sent", "bytes_sent", "bytes", "size")
_REFERRERS = ("http_referer", "http_referrer", "referer", "referrer")
_AGENTS = ("http_user_agent", "user_agent", "agent")
_USERS = ("remote_user", "user", "user_id")

_SIZE = re.compile(r"-|[0-9]{1,18}")
_STATUS = re.compile(r"[0-9]{3}")
_NUMBER = re.compile(r"[0-9]{9,20}(?:\.[0-9]{1,12})?|[0-9](?:\.[0-9]{1,17})?e\+?[0-9]{1,2}")
_UNITS = ((10**11, 1), (10**14, 1_000), (10**17, 1_000_000), (10**20, 1_000_000_000))
"""A number below the first value has that many units a second. Before 1973, seconds and milliseconds are ambiguous."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def match_json(line: str) -> LineFields | None:
    """The fields of a line of JSON whose keys are nginx's variables or usual names, or that Caddy wrote."""
    values = scalars(line)
    return None if values is None else named_fields(values)


def scalars(line: str) -> dict[str, str | None] | None:
    """The texts and numbers of a line of JSON, as texts. Nested values are left out, except for Caddy's request."""
    try:
        values = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return None
    request = values.get("request")
    if isinstance(request, dict):
        values = _of_caddy(values, cast("dict[str, Any]", request))
    found = {
        name: None if value is None else str(value)
        for name, value in values.items()
        if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool))
    }
    # A NUL may be written as a JSON escape.
    return None if any(value is not None and "\0" in value for value in found.values()) else found


def _of_caddy(values: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """https://caddyserver.com/docs/logging: the request is an object, and each of its headers a list."""
    given = request.get("headers")
    headers = cast("dict[str, Any]", given) if isinstance(given, dict) else {}

    def header(name: str) -> object:
        texts = headers.get(name)
        return cast("list[Any]", texts)[0] if isinstance(texts, list) and texts else None

    return {
        **{name: value for name, value in values.items() if name != "request"},
        "remote_addr": request.get("client_ip") or request.get("remote_ip") or request.get("remote_addr"),
        "request_method": request.get("method"),
        "request_uri": request.get("uri"),
        "server_protocol": request.get("proto"),
        "http_referer": header("Referer"),
        "http_user_agent": header("User-Agent"),
    }


def named_fields(values: Values, strftime: str = "") -> LineFields | None:
    """The fields, each by any of its usual names; None if one is missing or has another type."""
    client = next((found for name in CLIENTS if (found := _client(values.get(name))) is not None), None)
    status, size = values.get("status") or "", _first(values, _SIZES) or "-"
    stamp = _stamp(values, strftime)
    if client is None or stamp is None or not _STATUS.fullmatch(status) or not _SIZE.fullmatch(size):
        return None
    request = _request(values)
    if request is None:
        return None
    user = _first(values, _USERS) or "-"
    return (client, user, stamp, *request, status, size, _first(values, _REFERRERS), _first(values, _AGENTS))


def _client(text: str | None) -> str | None:
    return None if text in (None, "", "-") else client_of(text)


def _first(values: Values, names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := values.get(name)) not in (None, "", "-")), None)


def _request(values: Values) -> tuple[str | None, str | None, str | None, str | None, str | None] | None:
    """Method, path, query, protocol; or the raw request, if it is malformed."""
    if (line := values.get("request")) is not None:
        return split_request(line)
    method, target = values.get("request_method") or values.get("method"), _first(values, PATHS)
    if not method or not target:
        return None
    path, _, query = target.partition("?")
    given = values.get("args") or (values.get("query_string") or "").removeprefix("?")
    return method, path, query or given or None, values.get("server_protocol") or values.get("protocol"), None


def _stamp(values: Values, strftime: str) -> Stamp | None:
    if strftime:
        parts = [value or "" for name, value in values.items() if name.startswith(STRFTIME)]
        return _formatted(" ".join(parts), strftime)
    name = next((name for name in TIMES if values.get(name)), None)
    text = (values.get(name) or "").strip("[]") if name else ""
    if not text or name == "time_local":
        return text or None
    if _NUMBER.fullmatch(text):
        return since_1970(text)
    try:
        return text if "/" in text else parse_utc(text)
    except (ValueError, OverflowError):
        return None


def _formatted(text: str, strftime: str) -> datetime | None:
    try:
        moment = datetime.strptime(text, strftime)  # noqa: DTZ007  UTC if the format has no offset
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def since_1970(text: str) -> datetime | None:
    """The time of a number of seconds, milliseconds, microseconds or nanoseconds, depending on its magnitude."""
    number = Decimal(text)
    per_second = next((units for limit, units in _UNITS if number < limit), None)
    if per_second is None:
        return None
    try:
        return _EPOCH + timedelta(microseconds=int(number * 1_000_000 / per_second))
    except OverflowError:
        return None
