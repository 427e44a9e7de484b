"""What the published file reports about a failed build."""

import duckdb

from headrace.contracts.errors import Terminal
from headrace.warehouse.publication.failures import published_reason


def failed_on_a_row() -> Terminal:
    error = Terminal("Building core.orders failed: joe@example.org is no number.", remedy="Correct the cause.")
    error.__cause__ = duckdb.ConversionException("Could not convert string 'joe@example.org' to INT32")
    return error


def test_a_published_reason_quotes_neither_rows_nor_paths() -> None:
    reason = published_reason(failed_on_a_row())
    assert reason == "It could not be computed (ConversionException); `headrace build` says why."
    assert published_reason(Terminal("Broken.", remedy="Mend it.")) == "Broken. Mend it."
