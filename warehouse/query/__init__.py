"""SQL queries on the lake and their results as text or JSON, exactly as stored. Read-only."""

from headrace.warehouse.query.run import as_cell, as_json, as_text, ask, reading, run

__all__ = ["as_cell", "as_json", "as_text", "ask", "reading", "run"]
