"""Formats of access logs by their format strings, of Apache's or nginx's own.

A format is a function from a line to its fields. Invalid formats are detected at the start, not line by line.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast

from headrace.cases.ecommerce.sources.access_log.copied import as_copied
from headrace.cases.ecommerce.sources.access_log.fields import LineFields, Stamp, match_general, match_plain, unescape
from headrace.cases.ecommerce.sources.access_log.named import CLIENTS, PATHS, STRFTIME, TIMES, named_fields, scalars
from headrace.contracts.errors import Terminal

Match = Callable[[str], LineFields | None]
"""The fields of a line without NULs, or None if it is not in the format."""

_NGINX_VARIABLE = re.compile(r"\$(?:\{([a-z_0-9]+)\}|([a-z_0-9]+))")
_APACHE_DIRECTIVE = re.compile(r"%[!0-9,]*[<>]?(?:\{([^}]*)\})?(\^?[a-zA-Z]{1,2}|%)")
_BARE_VARIABLE = re.compile(r"(?<=[:,\[\s])(\$\{?[a-z_0-9]+\}?|%[<>]?[a-zA-Z])(?=\s*[,}\]])")
_APACHE: dict[str, str] = {
    "h": "remote_addr", "a": "remote_addr", "u": "remote_user", "r": "request", "s": "status", "b": "body_bytes_sent",
    "B": "body_bytes_sent", "O": "bytes_sent", "m": "request_method", "U": "uri", "q": "query_string",
    "H": "server_protocol",
}  # fmt: skip
_FRACTIONS = ("msec_frac", "usec_frac")
_STRPTIME = {
    "%T": "%H:%M:%S", "%F": "%Y-%m-%d", "%D": "%m/%d/%y", "%R": "%H:%M", "%e": "%d", "%h": "%b", "%n": " ", "%t": " ",
}  # fmt: skip
"""Directives that C's `strftime` has and Python's `strptime` lacks."""

_HEAD = ("<remote_addr> <> <remote_user> [<time_local>] ", "<remote_addr> - <remote_user> [<time_local>] ")
_TAIL = ("", ' "<http_referer>" "<http_user_agent>"', ' "<http_referer>" "<http_user_agent>" "<http_x_forwarded_for>"')
_KNOWN = frozenset(
    f'{head}"<request>" <status> <{size}>{tail}'
    for head in _HEAD for size in ("body_bytes_sent", "bytes_sent") for tail in _TAIL
)  # fmt: skip
"""Common, Combined and nginx's `main`, which can also be read without a format."""

_MOMENT = datetime(2026, 11, 20, 10, 30, 15, tzinfo=UTC)
_EXAMPLE = {
    **dict.fromkeys(CLIENTS, "198.51.100.7"),
    **dict.fromkeys(TIMES, "2026-11-20T10:30:15+00:00"),
    **dict.fromkeys(PATHS, "/a"),
    "time_local": "20/Nov/2026:10:30:15 +0000", "msec": "1795170615.000", "request": "GET /a?b=c HTTP/1.1",
    "request_method": "GET", "method": "GET", "query_string": "?b=c", "server_protocol": "HTTP/1.1", "status": "200",
    "body_bytes_sent": "5", "bytes_sent": "5", "bytes": "5", "size": "5",
}  # fmt: skip


class _Variable(NamedTuple):
    """A variable of a format: its name (empty if it is not used), and its own time format, if any."""

    name: str
    strftime: str = ""


_Named = Callable[[re.Match[str]], _Variable]


class _Compiled(NamedTuple):
    pattern: re.Pattern[str]
    names: list[str]
    quoted: frozenset[str]
    strftime: str
    example: str
    shape: str
    """The format with its variables by name."""


def of_format(text: str) -> Match:
    """The format that a format string describes.

    Raises:
        Terminal: it lacks a client, time, status or request, is of an unknown kind, or its lines could not be parsed.
    """
    form = as_copied(text)
    match, example = _json_format(text, form) if form.lstrip().startswith("{") else _line_format(text, form)
    fields = match(example)
    if fields is None or fields[0] != _EXAMPLE["remote_addr"] or not _is_about_then(fields[2]):
        raise _unusable(text, "cannot be read: a line that it writes is not understood")
    return match


def _is_about_then(stamp: Stamp) -> bool:
    return isinstance(stamp, str) or abs(stamp - _MOMENT) <= timedelta(days=1)


def is_known(text: str) -> bool:
    """Whether a format string is one of those that can be read without a format."""
    form = as_copied(text)
    if form.lstrip().startswith("{"):
        return False
    try:
        return _compile(text, form).shape in _KNOWN
    except Terminal:
        return False


def _line_format(text: str, form: str) -> tuple[Match, str]:
    compiled = _compile(text, form)
    _require(text, set(compiled.names))
    if compiled.shape in _KNOWN:
        return (lambda line: match_plain(line) or match_general(line)), compiled.example
    pattern, names, quoted, strftime, example, _ = compiled

    def match(line: str) -> LineFields | None:
        found = pattern.fullmatch(line.rstrip())
        if found is None:
            return None
        values = dict(zip(names, found.groups(), strict=True))
        # A malformed request is unescaped, as in the known formats.
        return named_fields(values | {name: unescape(values[name]) for name in quoted}, strftime)

    return match, example


def _json_format(text: str, form: str) -> tuple[Match, str]:
    """A JSON object as format string: `{"ip": "$remote_addr", "code": $status}`."""
    try:
        template = cast("dict[str, Any]", json.loads(_BARE_VARIABLE.sub(r'"\1"', form)))
    except ValueError:
        raise _unusable(text, "is not JSON") from None
    apache, times = _apache_names(), list[str]()
    variables, example = dict[str, str](), dict[str, Any]()
    for key, value in template.items():
        variable = _Variable("")
        if (found := _NGINX_VARIABLE.fullmatch(str(value))) is not None:
            variable = _nginx_name(found)
        elif (found := _APACHE_DIRECTIVE.fullmatch(str(value))) is not None:
            variable = apache(found)
        times += [variable.strftime] if variable.strftime else []
        if variable.name:
            variables[key] = variable.name
        example[key] = _example(variable)
    _require(text, set(variables.values()))
    strftime = _joined(times)

    def match(line: str) -> LineFields | None:
        values = scalars(line)
        if values is None:
            return None
        named = {name: values.get(key) for key, name in variables.items()}
        return named_fields(named, strftime)

    return match, json.dumps(example)


def _compile(text: str, form: str) -> _Compiled:
    if "$" in form:
        return _compiled(form, _NGINX_VARIABLE, _nginx_name)
    if "%" in form:
        # Apache writes the brackets around `%t` itself.
        return _compiled(re.sub(r"%t(?![a-zA-Z])", "[%t]", form), _APACHE_DIRECTIVE, _apache_names())
    raise _unusable(text, "has no variables")


def _nginx_name(found: re.Match[str]) -> _Variable:
    return _Variable(found[1] or found[2])


def _apache_names() -> _Named:
    """The names of one format's directives; the parts of its time are numbered."""
    parts = 0

    def name(found: re.Match[str]) -> _Variable:
        nonlocal parts
        argument, letter = found[1], found[2]
        if letter == "t" and argument is not None:
            form = re.sub("^(?:begin|end):", "", argument)
            if form in ("sec", "msec", "usec"):
                return _Variable("msec")
            parts += 1
            return _Variable(f"{STRFTIME}{parts}", "%f" if form in _FRACTIONS else _strptime(form))
        if letter == "t":
            return _Variable("time_local")
        if letter == "i" and argument:
            return _Variable("http_" + argument.lower().replace("-", "_"))
        return _Variable(_APACHE.get(letter, "") if argument is None or letter in "as" else "")

    return name


def _strptime(form: str) -> str:
    return re.sub("%[A-Za-z]", lambda found: _STRPTIME.get(found[0], found[0]), form)


def _compiled(form: str, variable: re.Pattern[str], name: _Named) -> _Compiled:
    """A pattern with a group for each used variable."""
    parts, names, quoted, times = list[str](), list[str](), set[str](), list[str]()
    example, shape, end = list[str](), list[str](), 0
    for found in variable.finditer(form):
        literal, after = form[end : found.start()], form[found.end() : found.end() + 1]
        before, end = literal[-1:], found.end()
        next_to_another = after in ("$", "%") and variable.match(form, found.end()) is not None
        for texts, text in ((parts, re.escape(literal)), (example, literal), (shape, literal)):
            texts.append(text)
        if found[0] == "%%":
            for texts in (parts, example, shape):
                texts.append("%")
            continue
        chosen = name(found)
        is_new = bool(chosen.name) and chosen.name not in names
        value = _beside_another(chosen.name) if next_to_another else _value(before, after)
        parts.append(f"({value})" if is_new else f"(?:{value})")
        example.append(_example(chosen))
        shape.append(f"<{chosen.name}>")
        if is_new:
            names.append(chosen.name)
            times += [chosen.strftime] if chosen.strftime else []
            if before == after == '"' and chosen.name != "request":
                quoted.add(chosen.name)
    rest = form[end:].rstrip()
    pattern = re.compile("".join(parts) + re.escape(rest))
    return _Compiled(
        pattern, names, frozenset(quoted), _joined(times), "".join(example) + rest, ("".join(shape) + rest).strip()
    )


def _joined(times: list[str]) -> str:
    """The format of all parts of a time. A fraction alone belongs to seconds since 1970, and is left out."""
    return "" if set(times) <= {"%f"} else " ".join(times)


def _example(variable: _Variable) -> str:
    return _MOMENT.strftime(variable.strftime) if variable.strftime else _EXAMPLE.get(variable.name, "-")


def _value(before: str, after: str) -> str:
    """What a value may contain, depending on what surrounds it.

    Possessive, so nothing backtracks. Otherwise two neighbors that can divide a text in many ways would be tried in all
    of them, and visitors control some of the values.
    """
    if before == after == '"':
        return r'[^"\\]*+(?:\\.[^"\\]*+)*+'
    if before == "[" and after == "]":
        return r"[^\]]*+"
    # Lists, such as of forwarding proxies, have a space after each comma.
    return rf"[^{re.escape(after)}]*+" if after.strip() else r"[^\s,]*+(?:,\s?[^\s,]*+)*+"


def _beside_another(name: str) -> str:
    """A value with nothing between it and the next: `%U%q`, `$host$request_uri`."""
    return r"[^\s?]*+" if name in PATHS else r"[^\s?/]*+"


def _require(text: str, names: set[str]) -> None:
    times = {name for name in names if name.startswith(STRFTIME)} | set(TIMES)
    for what, any_of in (
        ("client", set(CLIENTS)),
        ("time", times),
        ("status", {"status"}),
        ("request", {"request", *PATHS}),
    ):
        if not names & any_of:
            raise _unusable(text, f"names no {what}")


def _unusable(text: str, why: str) -> Terminal:
    return Terminal(
        f"The access-log format {text!r} {why}.",
        remedy="Set HEADRACE_ACCESS_LOG_FORMAT to the format string of your server's configuration, or to `auto`.",
    )
