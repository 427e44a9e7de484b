"""Classifies DuckDB's errors: a lost PostgreSQL and a missing file are recognized by the text of the error."""

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
    # DuckDB's error for every statement after the server was lost during one.
    "database has been invalidated",
)

_SIGNS_OF_A_MISSING_FILE = ("No such file or directory", "No files found")


class FilesMissing(Transient):
    """A file to be read is missing. Once it is removed from the catalog, a retry succeeds without it."""


def says_lost_server(error: duckdb.Error) -> bool:
    """Whether the error's text says that PostgreSQL was lost."""
    return any(sign in str(error) for sign in _SIGNS_OF_A_LOST_SERVER)


def says_missing_file(error: duckdb.Error) -> bool:
    """Whether the error says that a file to be read does not exist."""
    return isinstance(error, duckdb.IOException) and any(sign in str(error) for sign in _SIGNS_OF_A_MISSING_FILE)
