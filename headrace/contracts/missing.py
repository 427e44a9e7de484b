"""The words that exports, databases and scripts write for a missing customer id.

pandas writes `nan` and `<NA>`, PostgreSQL's COPY `\\N`, spreadsheets `#N/A`, scripts of web pages `undefined`.
"""

BLANKS = " \t\n\v\f\r\xa0"
"""Characters that may surround a word, or replace one."""

MISSING = frozenset(
    {"", "nan", "-nan", "null", "none", "nil", "undefined", "\\n", "na", "<na>", "n/a", "#n/a", "#na", "-"}
)
"""The words, in lower case."""


def is_missing(customer_id: str) -> bool:
    """Whether the text is one of the words for a missing id."""
    return customer_id.strip(BLANKS).lower() in MISSING


def named(customer_id: str | None) -> str | None:
    """The id, or None if it is one of the words for a missing id."""
    return None if customer_id is None or is_missing(customer_id) else customer_id
