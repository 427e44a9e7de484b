"""Turns psycopg's errors of a connection that fails or is lost into `Transient`, everywhere alike."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from headrace.contracts.errors import Transient


@contextmanager
def postgres_needed(subject: str = "PostgreSQL") -> Iterator[None]:
    """Connect and run statements within the block. `subject` is what is unavailable, as the error says it.

    Raises:
        Transient: PostgreSQL does not answer, rejects the connection, or ended it. A commit's outcome is unknown then.
    """
    try:
        yield
    except psycopg.OperationalError as error:
        # The lines after the first one only guess at reasons.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise Transient(f"{subject} is unavailable: {reason}") from error
