"""Which errors a step is retried for: `Transient` ones, and no others."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from headrace.contracts.errors import Transient

MAX_RETRIES = 3
WAIT_SECONDS = 5


@contextmanager
def retried() -> Iterator[None]:
    """Have Dagster retry the step, after a pause, if the block raises `Transient`. Other errors fail it at once."""
    try:
        yield
    except Transient as error:
        raise dg.RetryRequested(max_retries=MAX_RETRIES, seconds_to_wait=WAIT_SECONDS) from error
