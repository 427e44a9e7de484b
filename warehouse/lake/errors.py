"""Classifies DuckDB's errors: a lost PostgreSQL and a file that is missing or damaged are recognized by the text."""

import duckdb

from headrace.contracts.errors import Transient

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


_SIGNS_OF_A_DAMAGED_FILE = ("parquet", "magic bytes", "failed to read file", "could not read enough bytes")


class FilesMissing(Transient):
    """A file to be read is missing or damaged. Once it is removed from the catalog, a retry succeeds without it."""


def says_lost_server(error: duckdb.Error) -> bool:
    """Whether the error's text says that PostgreSQL was lost."""
    return any(sign in str(error) for sign in _SIGNS_OF_A_LOST_SERVER)


def says_missing_file(error: duckdb.Error) -> bool:
    """Whether the error says that a file to be read does not exist."""
    return isinstance(error, duckdb.IOException) and any(sign in str(error) for sign in _SIGNS_OF_A_MISSING_FILE)


def may_say_damaged_file(error: duckdb.Error) -> bool:
    """Whether a damaged file may have caused the error. Errors of Parquet's decoder have no class of their own."""
    if type(error) is duckdb.Error:
        return True
    is_of_reading = isinstance(error, duckdb.IOException | duckdb.InvalidInputException)
    return is_of_reading and any(sign in str(error).lower() for sign in _SIGNS_OF_A_DAMAGED_FILE)
