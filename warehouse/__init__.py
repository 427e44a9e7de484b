"""The warehouse: DuckLake tables built incrementally from the landed files, their checks, publication and queries.

Nothing here imports Kafka or Dagster. Builds (from Dagster, a command or a test) call `headrace.warehouse.build`;
notebooks and scripts that only query call `warehouse.connect`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def connect(at: str | None = None) -> "duckdb.DuckDBPyConnection":
    """A read-only connection to the lake, now or `at` a time (UTC) or snapshot, by the `HEADRACE_…` settings.

    Raises:
        Transient: PostgreSQL is unavailable: the stack is not running.
        Terminal: nothing has been built yet, or no snapshot of that time is kept.
    """
    from headrace.contracts.settings import Settings
    from headrace.warehouse.lake import Lake

    lake = Lake.open(Settings(), read_only=True, at=at)
    lake.postgres().close()
    return lake.connection
