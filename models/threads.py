"""One thread for all numeric libraries, for the length of a block.

Sums over threads come in no fixed order; one thread adds up the same every time, and a batch is too small to share.
"""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """Libraries that are loaded after the first call are not held."""
    return _controller().limit(limits=1)


@cache
def _controller() -> ThreadpoolController:
    # Looking for the libraries takes milliseconds, as long as scoring a batch.
    import scipy.linalg  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import sklearn.utils._openmp_helpers  # noqa: F401  # pyright: ignore[reportMissingModuleSource]

    return ThreadpoolController()
