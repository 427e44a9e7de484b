"""The words that exports, databases and scripts write where there is no customer. They name nobody.

pandas writes `nan` and `<NA>`, PostgreSQL's COPY `\\N`, spreadsheets `#N/A`, scripts of web pages `undefined`.
"""

BLANKS = " \t\n\v\f\r\xa0"
"""What may stand around a word, or for one."""

MISSING = frozenset(
    {"", "nan", "-nan", "null", "none", "nil", "undefined", "\\n", "na", "<na>", "n/a", "#n/a", "#na", "-"}
)
"""The words, in lower case."""


def is_missing(customer_id: str) -> bool:
    """Whether the text names no customer."""
    return customer_id.strip(BLANKS).lower() in MISSING


def named(customer_id: str | None) -> str | None:
    """The id; None where it names no customer."""
    return None if customer_id is None or is_missing(customer_id) else customer_id
