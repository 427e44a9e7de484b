"""The kernels that `HEADRACE_SCORING` selects. A process reads the setting when it scores first, and keeps them."""

from functools import cache

from headrace.contracts.settings import Settings
from headrace.models.kernels.interface import Kernels


@cache
def kernels() -> Kernels:
    """The kernels of this process."""
    # Imported here, because each needs libraries that the other does not.
    if Settings().scoring == "library":
        from headrace.models.kernels.library import LIBRARY

        return LIBRARY
    from headrace.models.vectorized import VECTORIZED

    return VECTORIZED
