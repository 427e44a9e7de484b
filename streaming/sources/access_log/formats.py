"""Formats of access logs beyond the two common ones: lines of JSON, and format strings of Apache's or nginx's own.

A format is a function from a line to its fields. Fields are named as nginx names its variables.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

from contracts.errors import Terminal
from streaming.sources.access_log.fields import LineFields, Stamp, split_request
from streaming.sources.times import parse_utc

Match = Callable[[str], LineFields | None]
"""The fields of a line without NULs, or None where it is not in the format."""

_NGINX_VARIABLE = re.compile(r"\$(?:\{([a-z_0-9]+)\}|([a-z_0-9]+))")
_APACHE_DIRECTIVE = re.compile(r"%[!0-9,]*[<>]?(?:\{([^}]*)\})?(\^?[a-zA-Z]{1,2}|%)")
_APACHE: dict[str, str] = {
    "h": "remote_addr", "a": "remote_addr", "u": "remote_user", "r": "request", "s": "status", "b": "body_bytes_sent",
    "B": "body_bytes_sent", "O": "bytes_sent", "m": "request_method", "U": "uri", "q": "query_string",
    "H": "server_protocol",
}  # fmt: skip
_CLIENTS = ("http_x_forwarded_for", "remote_addr", "client_ip", "remote_host", "client", "ip")
_TIMES = ("time_local", "time_iso8601", "msec", "strftime", "timestamp", "@timestamp", "time")
_SIZES = ("body_bytes_sent", "bytes_sent", "bytes", "size")
_PATHS = ("request_uri", "uri", "path")
_REFERRERS = ("http_referer", "http_referrer", "referer", "referrer")
_AGENTS = ("http_user_agent", "user_agent", "agent")
_TEXTS = re.compile(r"-|[0-9]{1,18}")
_STATUS = re.compile(r"[0-9]{3}")


def of_format(text: str) -> Match:
    """The format that a format string describes.

    Raises:
        Terminal: it names no client, time, status or request, or is of no known kind.
    """
    if text.lstrip().startswith("{"):
        return _json_format(text)
    if "$" in text:
        pattern, names, strftime = _compiled(text, _NGINX_VARIABLE, lambda found: found[1] or found[2], "")
    elif "%" in text:
        pattern, names, strftime = _apache(text)
    else:
        raise _unusable(text, "has no variables")
    _require(text, set(names))

    def match(line: str) -> LineFields | None:
        found = pattern.fullmatch(line.rstrip())
        return None if found is None else _fields(dict(zip(names, found.groups(), strict=True)), strftime)

    return match


def match_json(line: str) -> LineFields | None:
    """The fields of a line of JSON whose keys are nginx's variables, or names that are usual for them."""
    values = _object(line)
    return None if values is None else _fields(values)


def _json_format(text: str) -> Match:
    """A JSON object as format string: `{"ip": "$remote_addr", …}`."""
    try:
        template = json.loads(text)
    except ValueError:
        raise _unusable(text, "is no JSON") from None
    variables = {
        str(key): (found[1] or found[2])
        for key, value in cast("dict[str, Any]", template).items()
        if (found := _NGINX_VARIABLE.fullmatch(str(value)))
    }
    _require(text, set(variables.values()))

    def match(line: str) -> LineFields | None:
        values = _object(line)
        return None if values is None else _fields({variables[key]: v for key, v in values.items() if key in variables})

    return match


def _object(line: str) -> dict[str, str | None] | None:
    try:
        values = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return None
    return {name: None if value is None else str(value) for name, value in values.items()}


def _apache(text: str) -> tuple[re.Pattern[str], list[str], str]:
    stamps = re.findall(r"%\{([^}]*)\}t", text)
    known = {"sec": "msec", "msec": "milliseconds"}
    strftime = next((stamp for stamp in stamps if stamp not in known), "").removeprefix("begin:")

    def name(found: re.Match[str]) -> str:
        argument, letter = found[1], found[2]
        if letter == "t":
            return "time_local" if argument is None else known.get(argument, "strftime")
        if letter == "i" and argument:
            return "http_" + argument.lower().replace("-", "_")
        return _APACHE.get(letter, "") if argument is None or letter in "as" else ""

    # Apache writes the brackets around `%t` itself.
    return _compiled(re.sub(r"%t(?![a-zA-Z])", "[%t]", text).replace("%%", "%%"), _APACHE_DIRECTIVE, name, strftime)


def _compiled(
    text: str, variable: re.Pattern[str], name: Callable[[re.Match[str]], str], strftime: str
) -> tuple[re.Pattern[str], list[str], str]:
    """A pattern with a group for each variable that is used, and their names."""
    parts, names, end = list[str](), list[str](), 0
    for found in variable.finditer(text):
        parts.append(re.escape(text[end : found.start()]))
        before, after = text[end : found.start()][-1:], text[found.end() : found.end() + 1]
        end = found.end()
        if found[0] == "%%":
            parts.append("%")
            continue
        value = _value(before, after)
        chosen = name(found)
        if chosen and chosen not in names:
            names.append(chosen)
            parts.append(f"({value})")
        else:
            parts.append(f"(?:{value})")
    parts.append(re.escape(text[end:].rstrip()))
    return re.compile("".join(parts)), names, strftime


def _value(before: str, after: str) -> str:
    """What a value may hold, by what stands around it. No two neighbours can both take the same characters."""
    if before == after == '"':
        return r'[^"\\]*(?:\\.[^"\\]*)*'
    if before == "[" and after == "]":
        return r"[^\]]*"
    # Lists, such as of forwarding proxies, have a space after each comma.
    return rf"[^{re.escape(after)}]*" if after.strip() else r"[^\s,]*(?:,\s?[^\s,]*)*"


def _fields(values: Mapping[str, str | None], strftime: str = "") -> LineFields | None:
    """The fields, by whichever of its usual names each has; None where one is missing or is nothing of its kind."""
    client = _first(values, _CLIENTS)
    status, size = values.get("status"), _first(values, _SIZES) or "-"
    stamp = _stamp(values, strftime)
    if client is None or stamp is None or not _STATUS.fullmatch(status or "") or not _TEXTS.fullmatch(size):
        return None
    request = _request(values)
    if request is None:
        return None
    user = _first(values, ("remote_user", "user")) or "-"
    referrer, agent = _first(values, _REFERRERS), _first(values, _AGENTS)
    return (client.split(",")[0].strip(), user, stamp, *request, status or "", size, referrer, agent)


def _first(values: Mapping[str, str | None], names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := values.get(name)) not in (None, "", "-")), None)


def _request(
    values: Mapping[str, str | None],
) -> tuple[str | None, str | None, str | None, str | None, str | None] | None:
    """Method, path, query, protocol, and the raw request where it is none of them."""
    if (line := values.get("request")) is not None:
        return split_request(line)
    method, target = values.get("request_method") or values.get("method"), _first(values, _PATHS)
    if not method or not target:
        return None
    path, _, query = target.partition("?")
    given = values.get("args") or (values.get("query_string") or "").removeprefix("?")
    return method, path, query or given or None, values.get("server_protocol") or values.get("protocol"), None


def _stamp(values: Mapping[str, str | None], strftime: str) -> Stamp | None:
    for name in _TIMES:
        text = values.get(name)
        if text:
            return _parse_stamp(name, text, strftime)
    if millis := values.get("milliseconds"):
        return _epoch(millis, 1_000)
    return None


def _parse_stamp(name: str, text: str, strftime: str) -> Stamp | None:
    if name == "msec" or re.fullmatch(r"[0-9]{9,11}(\.[0-9]+)?", text):
        return _epoch(text, 1)
    try:
        if name == "strftime":
            moment = datetime.strptime(text, strftime)  # noqa: DTZ007  UTC where the format tells no offset
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        return text if name == "time_local" or "/" in text else parse_utc(text)
    except (ValueError, OverflowError):
        return None


def _epoch(text: str, per_second: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(text) / per_second, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _require(text: str, names: set[str]) -> None:
    for what, any_of in (
        ("client", _CLIENTS),
        ("time", (*_TIMES, "milliseconds")),
        ("status", ("status",)),
        ("request", ("request", *_PATHS)),
    ):
        if not names & set(any_of):
            raise _unusable(text, f"names no {what}")


def _unusable(text: str, why: str) -> Terminal:
    return Terminal(
        f"The access-log format {text!r} {why}.",
        remedy="Set HEADRACE_ACCESS_LOG_FORMAT to the format string of your server's configuration, or to `auto`.",
    )
