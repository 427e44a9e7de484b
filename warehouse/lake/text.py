"""Text that goes into SQL or comes out of an error."""


def first_line(error: Exception) -> str:
    """What an error says, without the lines that repeat the statement."""
    return str(error).strip().split("\n", 1)[0]


def quoted(text: str) -> str:
    """A string literal.

    Statements of this package carry literals and no parameters: to look at a parameter, DuckDB's Python client first
    imports pandas, which takes 2 s.
    """
    return "'" + text.replace("'", "''") + "'"
