"""A DuckDB connection with the lake attached, and the one way to write to it.

Nothing here depends on the content of a table. The catalog is in PostgreSQL (schema `ducklake` of the stack's
database), the data files are in the stack's folder.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import Any, TypeVar

import duckdb
import psycopg
import stamina

from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.postgres import postgres_needed
from headrace.contracts.settings import Settings
from headrace.warehouse.lake import extensions, missing_files, relocation
from headrace.warehouse.lake.errors import FilesMissing, may_say_damaged_file, says_lost_server, says_missing_file
from headrace.warehouse.lake.lock import BuilderLock
from headrace.warehouse.lake.snapshots import snapshot_at
from headrace.warehouse.lake.text import first_line, quoted

CATALOG = "lake"
METADATA_SCHEMA = "ducklake"
METADATA = f"__ducklake_metadata_{CATALOG}.{METADATA_SCHEMA}"
"""DuckLake's own tables in PostgreSQL, as DuckDB sees them."""
MEMORY_LIMIT = "2GB"
"""A build's memory before it spills to disk; the broker and Dagster run on the same machine."""
THREADS = min(os.cpu_count() or 1, 4)
MANY_ROWS = 200_000
"""New rows from which a build is worth more than one thread."""
ATTEMPTS = 5
_ALIVE = "begin_snapshot <= %(snapshot)s and coalesce(end_snapshot > %(snapshot)s, true)"
_ROWS = f"""
with data as (select data_file_id, table_id, record_count from {METADATA_SCHEMA}.ducklake_data_file where {_ALIVE}),
deleted as (select data_file_id, delete_count from {METADATA_SCHEMA}.ducklake_delete_file where {_ALIVE}),
counted as (
    select table_id, sum(record_count) - coalesce(sum(delete_count), 0) as rows
    from data left join deleted using (data_file_id) group by 1
)
select schema_name || '.' || table_name, coalesce(rows, 0)::bigint
from (select * from {METADATA_SCHEMA}.ducklake_table where {_ALIVE}) tables
join {METADATA_SCHEMA}.ducklake_schema using (schema_id)
left join counted using (table_id)
"""  # noqa: S608  names of this module

INDEX = "headrace_file_column_stats"
"""Index by which DuckLake finds a table's file statistics; without it each statement reads those of all tables."""
_CREATE_INDEX = f"""
create index if not exists {INDEX} on {METADATA_SCHEMA}.ducklake_file_column_stats (table_id, column_id)
"""

T = TypeVar("T")


class Lake:
    """The attached lake. Use as a context manager; it is not shared between threads."""

    def __init__(self, settings: Settings, connection: duckdb.DuckDBPyConnection) -> None:
        self.settings = settings
        self.connection = connection
        self.lock = BuilderLock(self.postgres)
        self._postgres: psycopg.Connection | None = None
        self._threads = THREADS
        self._remembered: dict[str, tuple[int, Any]] = {}
        self._last_changes: tuple[int, dict[str, int]] = (-1, {})
        self._in_transaction = False
        self._snapshot: int | None = None
        self.kept_changes: dict[str, tuple[int, int, bool]] = {}
        """The entries of `headrace.warehouse.lake.change_cache`, by table."""
        self.is_fenced = False
        """Whether the open transaction has called `fence`."""
        self.is_prepared = False
        """Whether this process has created the tables that every build needs."""

    @classmethod
    def open(cls, settings: Settings, read_only: bool = False, at: str | None = None) -> "Lake":
        """Attach the lake, creating it first where it does not exist and `read_only` is false.

        Queries such as `select … from marts.sales_daily` then work; times are shown in UTC. With `at`, a time or the
        number of a snapshot, the lake is read-only and as of then.

        Raises:
            Transient: PostgreSQL is unavailable.
            Terminal: `read_only`, and nothing was ever built; or no snapshot of the time `at` is kept.
        """
        read_only = read_only or at is not None
        lake = cls(settings, _duckdb(settings))
        try:
            if read_only and not _exists(lake.postgres(), "ducklake_metadata"):
                raise Terminal("There is no warehouse yet.", remedy="Run `headrace build` first.")
            if _exists(lake.postgres(), "ducklake_metadata"):
                relocation.follow(settings, lake.postgres(), METADATA_SCHEMA)
            version = None if at is None else snapshot_at(lake.postgres(), at)
            is_complete = read_only or _exists(lake.postgres(), INDEX)
            with nullcontext() if is_complete else lake.lock.held():
                _attach(lake.connection, settings, read_only=read_only, version=version)
                if not is_complete:
                    lake.postgres().execute(_CREATE_INDEX)
        except BaseException:
            lake.close()
            raise
        return lake

    def __enter__(self) -> "Lake":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Detach the lake and close the connections to PostgreSQL."""
        self.connection.close()
        if self._postgres is not None:
            self._postgres.close()

    def postgres(self) -> psycopg.Connection:
        """A connection to PostgreSQL itself, in autocommit mode: for the builder's lock and the landing positions.

        Raises:
            Transient: PostgreSQL is unavailable.
        """
        if self._postgres is None or self._postgres.closed:
            self._postgres = _connect(self.settings.conninfo())
        return self._postgres

    def snapshot(self) -> int:
        """Id of the snapshot that statements see now; within a transaction it is constant and read once."""
        if self._snapshot is not None:
            return self._snapshot
        snapshot: int = self.value("select id from ducklake_current_snapshot('lake') as current(id)")
        if self._in_transaction:
            self._snapshot = snapshot
        return snapshot

    def expect(self, rows: int) -> None:
        """Use one thread from now on for few new rows, otherwise all threads.

        A small build is a thousand small statements, and DuckDB's threads wait for each other in every one: two take a
        third more CPU time than one, and are slower on busy processors.
        """
        self._use(THREADS if rows >= MANY_ROWS else 1)

    @contextmanager
    def all_threads(self) -> Iterator[None]:
        """Use all threads within the block, for work on whole tables."""
        before = self._threads
        self._use(THREADS)
        yield
        # Not after an error: then no statement but a rollback may follow.
        self._use(before)

    def _use(self, threads: int) -> None:
        if threads != self._threads:
            self.connection.execute(f"set threads = {threads}")
            self._threads = threads

    def value(self, sql: str) -> Any:
        """The single value that a query returns."""
        ((value,),) = self.connection.execute(sql).fetchall()
        return value

    def types_of(self, sql: str) -> dict[str, str]:
        """Names and types of the columns of a query or a table."""
        return {row[0]: row[1] for row in self.connection.execute(f"describe {sql}").fetchall()}

    def remembered(self, name: str, read: Callable[[], T], of: str | None = None) -> T:
        """The result of `read`, cached until the snapshot changes or, with `of`, until that table changes.

        Not for use after a transaction's own writes.
        """
        snapshot = self.snapshot()
        since, value = self._remembered.get(name, (None, None))
        if since is None or (since != snapshot and (of is None or self._was_changed(of, since))):
            value = read()
        self._remembered[name] = (snapshot, value)
        return value  # pyright: ignore[reportReturnType]  what `read` returned, now or before

    def _was_changed(self, table: str, since: int) -> bool:
        return not self.remembers_all_since(since) or table in self.changed_since(since)

    def columns(self) -> dict[str, dict[str, str]]:
        """Names and types of the columns of every table in the lake, by the table's name with schema; `remembered`.

        Not from `duckdb_tables()`, which reads the statistics of each table from the catalog: about 3 ms per table.
        """
        return self.remembered("columns", self._columns)

    def _columns(self) -> dict[str, dict[str, str]]:
        rows = self.connection.execute(
            "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns()"
            " where database_name = 'lake' order by column_index"
        ).fetchall()
        columns: dict[str, dict[str, str]] = {}
        for table, name, kind in rows:
            columns.setdefault(table, {})[name] = kind
        return columns

    def rows(self) -> dict[str, int]:
        """The number of rows of every table whose rows are in files; `remembered`.

        Read from the catalog for all tables at once, in 4 ms: counting the rows of one table takes 20 ms.
        """
        return self.remembered("rows", self._rows)

    def is_empty(self, table: str) -> bool:
        """Whether a table had no rows, or did not exist, at the beginning of the transaction."""
        return not self.rows().get(table)

    def _rows(self) -> dict[str, int]:
        return dict(self.postgres().execute(_ROWS, {"snapshot": self.snapshot()}).fetchall())

    def changed_since(self, snapshot: int) -> set[str]:
        """Names of the tables that were changed after a snapshot, even if their content is the same."""
        return {name for name, changed in self.last_changes().items() if changed > snapshot}

    def last_changes(self) -> dict[str, int]:
        """The last snapshot that changed each table, by name, among the snapshots that are kept."""
        seen, last = self._last_changes
        current = self.snapshot()
        if seen != current:
            last |= self._changes_after(min(seen, current))
            self._last_changes = (current, last)
        return last

    def _changes_after(self, snapshot: int) -> dict[str, int]:
        """The last snapshot that changed each table, by name, among the snapshots after this one."""
        rows = self.connection.execute(
            f"""
            select schemas.schema_name || '.' || tables.table_name, max(changes.snapshot_id)
            from (
                select snapshot_id, unnest(regexp_extract_all(changes_made, '[0-9]+'))::bigint as table_id
                from {METADATA}.ducklake_snapshot_changes where snapshot_id > {snapshot}
            ) changes
            join {METADATA}.ducklake_table tables using (table_id)
            join {METADATA}.ducklake_schema schemas using (schema_id)
            group by 1
            """  # noqa: S608  a number, and names of this module
        ).fetchall()
        return dict(rows)

    def remembers_all_since(self, snapshot: int) -> bool:
        """Whether no snapshot after this one has expired, so that all changes since can be read."""
        kept = self.remembered("snapshots", self._snapshots)
        return sum(each > snapshot for each in kept) == self.snapshot() - snapshot

    def _snapshots(self) -> list[int]:
        rows = self.connection.execute(f"select snapshot_id from {METADATA}.ducklake_snapshot").fetchall()  # noqa: S608
        return [row[0] for row in rows]

    def write(self, work: Callable[[], T]) -> T:
        """Run `work` as one transaction under the builder's lock and return what it returns.

        Work that writes must end with `fence`, whose row every writer updates: if two writers ran concurrently, the
        later one fails, is rolled back and runs again.

        Raises:
            Transient: conflicts or an unavailable PostgreSQL outlasted the attempts.
        """
        for attempt in stamina.retry_context(on=Transient, attempts=ATTEMPTS, wait_initial=0.2, wait_max=5.0):
            with attempt, self.lock.held():
                try:
                    with self.transaction():
                        return work()
                except FilesMissing:
                    self.take_out_missing_files()
                    raise
                except duckdb.Error as error:
                    if not (may_say_damaged_file(error) and self._take_out_damaged_files(error)):
                        raise
                    raise FilesMissing(f"A file of the warehouse is damaged: {first_line(error)}") from error
        raise AssertionError("unreachable: the last attempt raises")

    def fence(self) -> None:
        """Make the open transaction fail to commit if another writer commits first."""
        if not self.is_fenced:
            self.connection.execute("update meta.fence set writes = writes + 1")
            self.is_fenced = True

    def take_out_missing_files(self) -> None:
        """Remove missing files from the catalog; the tables that lost rows are built in full next time.

        Raises:
            Terminal: a missing file held watermarks.
        """
        self._take_out(missing_files.find(self.postgres()))

    def _take_out_damaged_files(self, error: duckdb.Error) -> bool:
        """Same as `take_out_missing_files`, for damaged files that may have caused an error; returns whether any."""
        damaged = missing_files.find_damaged(self.postgres(), self.settings.landing_root, str(error))
        self._take_out(damaged)
        return bool(damaged)

    def _take_out(self, missing: Sequence[missing_files.MissingFile]) -> None:
        missing_files.take_out(self.postgres(), missing)
        self.forget()
        if statements := missing_files.forgetting(missing):
            self.write(lambda: ([self.connection.execute(each) for each in statements], self.fence()))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction: committed at the end of the block, rolled back when the block raises."""
        with self.translated_errors():
            self.connection.execute("begin")
            self._in_transaction, self.is_fenced = True, False
            try:
                yield
                self.connection.execute("commit")
            except BaseException:
                self.kept_changes.clear()
                self._roll_back()
                raise
            finally:
                self._in_transaction, self._snapshot = False, None

    def forget(self) -> None:
        """Clear the caches, after the catalog was changed by other means than DuckLake."""
        self._remembered.clear()
        self._last_changes = (-1, {})
        self.kept_changes.clear()

    def _roll_back(self) -> None:
        try:
            self.connection.execute("rollback")
        except duckdb.Error as error:
            # A failed commit has ended the transaction itself; the original error is being raised already.
            if "no transaction is active" not in str(error) and not self._has_lost_server(error):
                raise

    @contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Translate conflicts and a lost PostgreSQL, which may succeed on a retry, to `Transient`."""
        try:
            yield
        except duckdb.Error as error:
            if self._has_lost_server(error):
                raise Transient("The warehouse's catalog in PostgreSQL does not answer.") from error
            if says_missing_file(error):
                raise FilesMissing(f"A file of the warehouse is missing: {first_line(error)}") from error
            if isinstance(error, duckdb.TransactionException) and "onflict" in str(error):
                raise Transient(f"Another process wrote to the warehouse at the same time: {error}") from error
            raise

    def _has_lost_server(self, error: duckdb.Error) -> bool:
        """Whether an error was caused by a lost PostgreSQL, by its text or else by a query on another connection."""
        if self._postgres is None or says_lost_server(error):
            return says_lost_server(error)
        try:
            self._postgres.execute("select 1")
        except psycopg.OperationalError:
            return True
        return False


def _connect(conninfo: str) -> psycopg.Connection:
    with postgres_needed():
        return psycopg.connect(conninfo, autocommit=True, connect_timeout=10, application_name="headrace warehouse")


def _exists(postgres: psycopg.Connection, name: str) -> bool:
    """Whether the catalog has a table or index of this name."""
    row = postgres.execute("select to_regclass(%s)", [f"{METADATA_SCHEMA}.{name}"]).fetchone()
    return row is not None and row[0] is not None


def _duckdb(settings: Settings) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(
        config={
            "threads": THREADS,
            "memory_limit": MEMORY_LIMIT,
            "temp_directory": str(settings.root / "spill"),
            # DuckDB downloads nothing on its own: `extensions.load` loads what the lake needs.
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    connection.execute("set timezone = 'UTC'")
    extensions.load(connection)
    return connection


def _attach(connection: duckdb.DuckDBPyConnection, settings: Settings, *, read_only: bool, version: int | None) -> None:
    # Small writes go to files too: only the watermarks, written by every build, are inlined in the catalog.
    options = f"data_path {quoted(f'{settings.lake_root}/')}, metadata_schema '{METADATA_SCHEMA}', "
    options += "data_inlining_row_limit 0" + (", read_only" if read_only else "")
    options += f", snapshot_version {version}" if version is not None else ""
    source = quoted(f"ducklake:postgres:{settings.conninfo()}")
    try:
        connection.execute(f"attach {source} as {CATALOG} ({options})")
        connection.execute(f"use {CATALOG}")
    except duckdb.Error as error:
        if says_lost_server(error):
            raise Transient("The warehouse's catalog in PostgreSQL does not answer.") from error
        raise Terminal(
            f"The warehouse cannot be opened: {first_line(error)}", remedy="See docs/explanation/warehouse.md."
        ) from error
    if not read_only:
        settings.lake_root.mkdir(parents=True, exist_ok=True)
