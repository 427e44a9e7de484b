"""The two names of each setting: its environment variable, and its place in `headrace.toml`. Detects mistyped ones."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, cast

PREFIX = "HEADRACE_"
CONFIG_VARIABLE = "HEADRACE_CONFIG"
"""Names the file instead of searching for it. If it is empty, only the environment counts."""
FAILPOINTS_VARIABLE = "HEADRACE_FAILPOINTS"
"""Read by `headrace.streaming.runtime.failpoints`."""
SUPERVISED_VARIABLE = "HEADRACE_SUPERVISED_ROOT"
"""Set in every supervised process to the root of its stack, to find processes that a killed supervisor left."""
NOT_SETTINGS = frozenset({CONFIG_VARIABLE, FAILPOINTS_VARIABLE, SUPERVISED_VARIABLE})
SECTIONS = (
    *("kafka", "postgres", "connect", "landing", "warehouse", "serve"),
    *("access_log", "pixel", "bluesky", "mastodon", "weather", "feedback"),
)
"""Tables of the file. `landing_flush_rows` is `flush_rows` in the table `landing`; the rest is above the tables."""
_SWITCH = "enabled"
"""The key of a setting that has the name of a section."""


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return f"{PREFIX}{field.upper()}"


def key(field: str) -> str:
    """The dotted key of a setting in the file, such as `landing.flush_rows`."""
    for section in SECTIONS:
        if field == section:
            return f"{section}.{_SWITCH}"
        if field.startswith(f"{section}_"):
            return f"{section}.{field.removeprefix(f'{section}_')}"
    return field


def flattened(data: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a file by dotted key; those of tables that are no sections keep the table's key."""
    flat: dict[str, Any] = {}
    for name, value in data.items():
        if name in SECTIONS and isinstance(value, dict):
            flat |= {f"{name}.{inner}": each for inner, each in cast("dict[str, Any]", value).items()}
        else:
            flat[name] = value
    return flat


def complaint(unknown: Iterable[str], known: Iterable[str]) -> str:
    """One sentence for each unknown name, with the nearest known one; empty if there is none."""
    candidates = list(known)
    sentences: list[str] = []
    for name in sorted(unknown):
        if name in SECTIONS:
            sentences.append(f"{name} is a section, written [{name}].")
            continue
        near = get_close_matches(name, candidates, n=1)
        sentences.append(f"There is no setting {name}.{f' Did you mean {near[0]}?' if near else ''}")
    return " ".join(sentences)
