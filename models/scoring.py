"""The kernels that `HEADRACE_SCORING` names. A process reads it when it first scores, and keeps its choice."""

from functools import cache

from contracts.settings import Settings
from models.kernels.interface import Kernels


@cache
def kernels() -> Kernels:
    """The kernels of this process."""
    # Imported here: each brings libraries that the other does not need.
    if Settings().scoring == "library":
        from models.kernels.library import LIBRARY

        return LIBRARY
    from models.vectorized import VECTORIZED

    return VECTORIZED
