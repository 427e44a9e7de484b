"""String helpers for SQL and error messages."""


def first_line(error: Exception) -> str:
    """The message of an error, without the lines that repeat the statement."""
    return str(error).strip().split("\n", 1)[0]


def quoted(text: str) -> str:
    """A string literal.

    Statements of this package use literals, not parameters: for parameters DuckDB's Python client imports pandas, which
    takes 2 s.
    """
    return "'" + text.replace("'", "''") + "'"
