"""The prompt of `headrace sql` completes the names of tables and columns."""

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from headrace.commands.warehouse import completer

TABLES = {
    "marts.sales_daily": {"sale_date": "DATE", "revenue": "DECIMAL(38,4)"},
    "core.orders": {"order_id": "VARCHAR"},
}


@pytest.mark.parametrize(
    ("written", "completed"),
    [
        ("select * from mar", {"marts.sales_daily"}),
        ("select * from marts.sa", {"marts.sales_daily"}),
        ("select rev", {"revenue"}),
        ("select REV", {"revenue"}),
        ("select sum(rev", {"revenue"}),
        ("select nothing_like_it", set[str]()),
    ],
)
def test_tables_and_columns_are_completed(written: str, completed: set[str]) -> None:
    found = completer(TABLES).get_completions(Document(written), CompleteEvent())
    assert {completion.text for completion in found} == completed
