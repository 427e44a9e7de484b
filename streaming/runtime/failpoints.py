"""Named points between steps whose order matters for durability, where a test can make the process die or stall.

`HEADRACE_FAILPOINTS="landing.renamed=kill@3"` kills the process with SIGKILL the third time it reaches that point;
`=stall:2.5` makes it wait that many seconds there each time. Separate several by commas. Without the variable, a point
costs one dictionary lookup.
"""

import os
import signal
import time
from collections import Counter

from headrace.contracts.setting_names import FAILPOINTS_VARIABLE as VARIABLE

_passed: Counter[str] = Counter()


def _parse(text: str) -> dict[str, str]:
    return dict(item.split("=", 1) for item in text.split(",") if item)


_actions = _parse(os.environ.get(VARIABLE, ""))


def arm(text: str) -> None:
    """Set the points of this process, in the format of the variable."""
    _actions.clear()
    _actions.update(_parse(text))


def failpoint(name: str) -> None:
    """Perform the action configured for this point, if any."""
    action = _actions.get(name)
    if action is None:
        return
    _passed[name] += 1
    kind, _, argument = action.partition(":")
    if kind == "stall":
        time.sleep(float(argument))
        return
    verb, _, count = kind.partition("@")
    if verb != "kill":
        raise ValueError(f"{VARIABLE} supports kill, kill@N and stall:SECONDS, not {action!r}")
    if _passed[name] == int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
