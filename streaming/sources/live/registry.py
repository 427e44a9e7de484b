"""The live sources that there are, by name; one of the user's own is named by `module:class`.

Each is imported when it is asked for: a source that is killed is soon back.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import cast

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.streaming.sources.live.source import Source

Open = Callable[[Settings], Sequence[Source]]
Check = Callable[[Settings], None]

FEEDBACK = "feedback"
"""The one that is pushed to: a server, not a `Source`."""
_OPENERS = {
    "access-log": "headrace.streaming.sources.access_log.live",
    "bluesky": "headrace.streaming.sources.live.bluesky",
    "mastodon": "headrace.streaming.sources.live.mastodon",
    "weather": "headrace.streaming.sources.live.weather",
}
_CHECKED = {**_OPENERS, FEEDBACK: "headrace.streaming.sources.feedback.server"}
NAMES = (*_OPENERS, FEEDBACK)


def configured(settings: Settings) -> list[str]:
    """The names of the sources that the stack runs.

    Raises:
        Terminal: a name that is none.
    """
    for name in settings.sources:
        require_name(name)
    return list(settings.sources)


def require_name(name: str) -> None:
    """Require that a source has this name, or that it is one of the user's own. Raises `Terminal` otherwise."""
    if name not in NAMES and ":" not in name:
        raise _unknown(name)


def check(settings: Settings, name: str) -> None:
    """Check what a source needs from its settings, without starting it or writing anything.

    Raises:
        Terminal: no such source, or a setting that is missing or invalid.
    """
    if name in _CHECKED:
        cast("Check", import_module(_CHECKED[name]).check)(settings)
    else:
        _own_source(name)


def open_source(settings: Settings, name: str) -> Sequence[Source]:
    """The streams of a source, ready to be read.

    Raises:
        Terminal: no such source, or its settings do not do.
    """
    if name in _OPENERS:
        return cast("Open", import_module(_OPENERS[name]).open_sources)(settings)
    return [_own_source(name)()]


def _own_source(name: str) -> Callable[[], Source]:
    module, _, attribute = name.partition(":")
    if not attribute:
        raise _unknown(name)
    try:
        return cast("Callable[[], Source]", getattr(import_module(module), attribute))
    except (ImportError, AttributeError) as error:
        raise Terminal(
            f"The source {name} cannot be imported: {error}.", remedy="Name it as `module:class`, on the Python path."
        ) from error


def _unknown(name: str) -> Terminal:
    return Terminal(
        f"There is no live source {name}.", remedy=f"There are: {', '.join(NAMES)}; your own as `module:class`."
    )
