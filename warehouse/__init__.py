"""The warehouse: DuckLake tables built incrementally from the landed files, their checks, publication and queries.

No Kafka and no Dagster here. Whoever runs a build (Dagster, a command, a test) calls `warehouse.build`; whoever only
wants to ask, in a notebook or a script, calls `warehouse.connect`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def connect(at: str | None = None) -> "duckdb.DuckDBPyConnection":
    """The lake for reading, as it is now or was `at` a time (UTC) or snapshot, by the `HEADRACE_…` settings.

    Raises:
        Transient: PostgreSQL is away: the stack is not up.
        Terminal: nothing was built yet, or is kept of then.
    """
    from contracts.settings import Settings
    from warehouse.lake import Lake

    lake = Lake.open(Settings(), read_only=True, at=at)
    lake.postgres().close()
    return lake.connection
