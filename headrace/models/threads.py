"""Limits all numeric libraries to one thread within a block.

Threads add up in no fixed order; one thread is reproducible, and a batch is too small to split.
"""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """Limit the libraries to one thread. Libraries loaded after the first call are not limited."""
    return _controller().limit(limits=1)


@cache
def _controller() -> ThreadpoolController:
    # Finding the libraries takes milliseconds, as long as scoring a batch.
    import scipy.linalg  # noqa: F401  # pyright: ignore[reportUnusedImport]
    import sklearn.utils._openmp_helpers  # noqa: F401  # pyright: ignore[reportMissingModuleSource]

    return ThreadpoolController()
