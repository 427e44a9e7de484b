"""Generates the reference pages of topics, settings and exit codes from the contracts."""

from collections.abc import Iterable
from typing import cast

from headrace.contracts.exit_codes import MEANINGS, NEGATIVE_RESULTS
from headrace.contracts.fields import Field, fields_of
from headrace.contracts.landing import RECORD_FIELDS
from headrace.contracts.nesting import MAX_DEPTH
from headrace.contracts.setting_names import key, variable
from headrace.contracts.setting_types import SEPARATOR
from headrace.contracts.settings import PORTS, Settings
from headrace.contracts.source_settings import SourceSettings
from headrace.contracts.topic import DAY_MS, MAX_RECORD_BYTES, Topic
from headrace.contracts.topics import DEAD_LETTER_TOPICS, EVENT_TOPICS
from headrace.contracts.types import INT64_MAX, MONEY_SCALE

_TYPES = {
    "string": "string",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "time": "RFC 3339 time in UTC",
    "list": "list",
}
_VALUES = f"""Values are UTF-8 JSON objects of at most {MAX_RECORD_BYTES:,} bytes, nested at most {MAX_DEPTH} levels
deep and without lone surrogates. Unknown fields are ignored and fields without a value may be omitted. If a key is
repeated, the last value counts (the others may be any JSON). Times are rounded to microseconds; text must not contain
NUL. Invalid records go to the topic's quarantine, with their bytes and the reason."""
_DEAD_LETTERS = f"""Each topic has a `.dlq` topic for raw bytes that a source or processor could not use, with the
reason and the origin in headers ({len(DEAD_LETTER_TOPICS)} topics, 1 partition each, 30 days)."""


_SETTINGS = """Generated from `headrace/contracts/settings.py` by `make docs`; edit the descriptions there, not this
page.

All settings are optional. [Configure a project](../how-to/configure.md) describes `headrace.toml` and `.env`. An
environment variable takes precedence over `.env`, and `.env` over `headrace.toml`. In a file, paths are relative to its
folder; in an environment variable, to the current folder. `secrets/…` is in the stack's home.

A list is a TOML list in `headrace.toml`. In a variable, commas separate its elements; a JSON list works, too. An empty
variable counts as not set, and an empty list is `[]`. `HEADRACE_CONFIG` names the `headrace.toml` to use instead of
searching for it; if it is empty, neither file is read."""
_PORTS = """All ports are on 127.0.0.1. [Security](../explanation/security.md) describes who can access each. Each
additional process of a kind uses the next port after the metrics port."""
_PORT_BASE: int = Settings.model_fields["port_base"].default


def topics_page() -> str:
    """`docs/reference/topics.md`: every topic with its key, settings and fields."""
    parts = [
        "# Topics",
        "Generated from `headrace/contracts/` by `make docs`; edit the contracts, not this page.",
        _VALUES,
        *(_topic(topic) for topic in EVENT_TOPICS),
        "## Dead letters",
        _DEAD_LETTERS,
        "## Columns of every landed record",
        "\n".join(["| column | meaning |", "|---|---|", *_record_rows()]),
    ]
    return "\n\n".join(parts) + "\n"


def exit_codes_page() -> str:
    """`docs/reference/exit-codes.md`: every exit code, and the commands that report a result by it."""
    codes = [f"| {code.value} | {code.name.lower()} | {meaning} |" for code, meaning in MEANINGS.items()]
    results = [f"| `headrace {command}` | {reason} |" for command, reason in NEGATIVE_RESULTS.items()]
    parts = [
        "# Exit codes",
        "Generated from `headrace/contracts/exit_codes.py` by `make docs`; edit that file, not this page.",
        "\n".join(["| code | name | meaning |", "|---|---|---|", *codes]),
        "These commands also exit with 1 if their result is negative:",
        "\n".join(["| command | exit code 1 if |", "|---|---|", *results]),
    ]
    return "\n\n".join(parts) + "\n"


def settings_page() -> str:
    """`docs/reference/settings.md`: every setting with its default, and the ports."""
    sources = list(SourceSettings.model_fields)
    ports = [f"| port base + {offset} | {_PORT_BASE + offset} | {name} |" for name, offset in PORTS.items()]
    parts = [
        "# Settings",
        _SETTINGS,
        "## Stack",
        _settings_table(name for name in Settings.model_fields if name not in sources),
        "## Live sources",
        "See [live sources](live-sources.md).",
        _settings_table(sources),
        "## Ports",
        _PORTS,
        "\n".join(["| port | default | used by |", "|---|---|---|", *ports]),
    ]
    return "\n\n".join(parts) + "\n"


def _settings_table(names: Iterable[str]) -> str:
    rows = ["| in the file | variable | default | description |", "|---|---|---|---|"]
    for name in names:
        field = Settings.model_fields[name]
        default = "" if field.default in (None, "", ()) else f"`{_shown(field.default)}`"
        rows.append(f"| `{key(name)}` | `{variable(name)}` | {default} | {field.description} |")
    return "\n".join(rows)


def _shown(default: object) -> str:
    if isinstance(default, tuple):
        return SEPARATOR.join(map(str, cast("tuple[object, ...]", default)))
    return (
        str(default).lower()
        if isinstance(default, bool)
        else f"{default:g}"
        if isinstance(default, float)
        else str(default)
    )


def _topic(topic: Topic) -> str:
    if topic.contract is None:
        raise ValueError(f"{topic.name} has no contract")
    kept = "the latest record per key, indefinitely" if topic.compacted else f"{topic.retention_ms // DAY_MS} days"
    heading = f"## `{topic.name}`\n\n{topic.contract.__doc__ or ''}"
    settings = f"Key: {topic.key}. Partitions: {topic.partitions}. Kept: {kept}."
    rows = "\n".join(["| field | type | required | meaning |", "|---|---|---|---|", *_rows(fields_of(topic.contract))])
    return f"{heading}\n\n{settings}\n\n{rows}"


def _rows(fields: Iterable[Field], prefix: str = "") -> list[str]:
    rows: list[str] = []
    for field in fields:
        required = "yes" if field.required else "" if field.nullable else f"default `{str(field.default).lower()}`"
        rows.append(f"| `{prefix}{field.name}` | {_type(field)} | {required} | {field.description} |")
        rows += _rows(field.children, f"{prefix}{field.name}[].")
    return rows


def _type(field: Field) -> str:
    if field.choices is not None:
        return "one of " + ", ".join(f"`{choice}`" for choice in field.choices)
    if field.digits is not None:
        return f"decimal string, up to {field.digits - MONEY_SCALE} digits and {MONEY_SCALE} decimals"
    if field.kind == "integer" and field.maximum is not None and field.maximum < INT64_MAX:
        return f"integer, {field.minimum:,} to {field.maximum:,}"
    return _TYPES[field.kind]


def _record_rows() -> list[str]:
    return [f"| `{field.name}` | {(field.metadata or {})[b'description'].decode()} |" for field in RECORD_FIELDS]
