"""Where the simulator of the two cases is found. It is imported by name, since nothing in the core imports a case."""

from importlib import import_module
from typing import Any

from headrace.contracts import topics
from headrace.contracts.errors import Terminal

_SIMULATOR = "headrace.cases.ecommerce.simulator.run"


def simulator() -> Any:
    """The module with `Plan` and `simulate`.

    Raises:
        Terminal: no case is active.
    """
    module = import_module(_SIMULATOR)
    if not any(name in topics.TOPICS for name in module.TOPICS):
        raise Terminal(
            "The simulator has no topic to send to: both cases are left out.", remedy="Add one to the setting `cases`."
        )
    return module
