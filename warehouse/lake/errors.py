"""What DuckDB's errors mean: a lost PostgreSQL and a missing file are told from all others by their text."""

import duckdb

from contracts.errors import Transient

_SIGNS_OF_A_LOST_SERVER = (
    "connection to server",
    "server closed the connection",
    "terminating connection",
    "could not connect",
    "Unable to connect to Postgres",
    "no connection to the server",
    "the database system is",
    "SSL connection has been closed",
    "Connection pool",
    # What DuckDB says from then on where the server was lost in the middle of something.
    "database has been invalidated",
)

_SIGNS_OF_A_MISSING_FILE = ("No such file or directory", "No files found")


class FilesMissing(Transient):
    """A file that is to be read is gone. Once it is out of the catalog, another attempt does without it."""


def says_lost_server(error: duckdb.Error) -> bool:
    """Whether the error itself says that PostgreSQL was lost."""
    return any(sign in str(error) for sign in _SIGNS_OF_A_LOST_SERVER)


def says_missing_file(error: duckdb.Error) -> bool:
    """Whether the error says that a file that is to be read does not exist."""
    return isinstance(error, duckdb.IOException) and any(sign in str(error) for sign in _SIGNS_OF_A_MISSING_FILE)
