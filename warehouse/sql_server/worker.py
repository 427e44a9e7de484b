"""A worker process: reads queries from standard input and writes answers to standard output, one at a time.

It may be killed at any time, and is killed when a query takes too long. Three layers restrict it: the check of the
statement, DuckDB's locked settings, and the operating system: Landlock, if the kernel has it, only allows the folder
with the published file and Python's own folders, and no network.
"""

import csv
import io
import os
import queue
import resource
import sys
import sysconfig
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Literal, cast

import duckdb
import msgspec

from headrace.contracts.errors import Terminal
from headrace.warehouse.query import as_cell, as_json, as_text, exact_values, reading
from headrace.warehouse.sql_server.sandbox import confine

Form = Literal["json", "csv", "arrow"]
Kind = Literal["denied", "invalid", "memory", "size"]

BATCH_ROWS = 2_048
ROOM_BYTES = 2_000_000_000
"""Address space in addition to DuckDB's memory limit: code, thread stacks, the answer."""
LENGTH_BYTES = 8
"""Every part of an answer begins with its length."""
READY = b"ready"
"""Sent once, before the first answer, so that starting does not count toward a query's time."""


class Question(msgspec.Struct, frozen=True):
    """A query and its limits."""

    file: str
    sql: str
    form: Form
    rows: int
    answer_bytes: int
    spreadsheet: bool = False


class Header(msgspec.Struct, frozen=True):
    """Precedes the body of an answer. If `kind` is set there is no body, and `message` says why."""

    kind: Kind | None = None
    message: str = ""
    rows: int = 0
    truncated: bool = False
    elapsed_ms: int = 0
    snapshot: int = 0


class _TooLarge(Exception):  # noqa: N818  an outcome
    def __init__(self, limit: int) -> None:
        super().__init__(f"The answer is larger than {limit // 1_000_000} MB. Select fewer rows or columns.")


def main(memory_mb: int, folder: Path) -> None:
    """Answer queries on files in the folder until standard input ends."""
    limit_process(memory_mb * 1_000_000)
    confine([folder, *needed()])
    questions: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, questions), daemon=True).start()
    _write(READY)
    while True:
        header, body = answer(msgspec.json.decode(questions.get(), type=Question), memory_mb)
        _write(msgspec.json.encode(header), body)


def needed() -> list[Path]:
    """Other folders and files that DuckDB and Python read, none of which belong to the stack."""
    # Imported now, since they need the system's libraries. DuckDB uses pytz for times with a zone.
    for module in ("pyarrow.ipc", "pytz"):
        import_module(module)
    python = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    # DuckDB ends the process if it cannot read its control group.
    return [*map(Path, python), Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")]


def _write(*parts: bytes) -> None:
    out = sys.stdout.buffer
    for part in parts:
        out.write(len(part).to_bytes(LENGTH_BYTES))
        out.write(part)
    out.flush()


def _listen(source: IO[bytes], questions: queue.Queue[bytes]) -> None:
    """Queue the queries; when the server closes the pipe, end this process at once, even during a query."""
    for line in source:
        questions.put(line)
    os._exit(0)


def limit_process(memory_bytes: int) -> None:
    """Limit this process: no file writes, no core dump, and no more address space than it needs."""
    for limit, value in (
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, memory_bytes + ROOM_BYTES),
    ):
        resource.setrlimit(limit, (value, value))


def answer(question: Question, memory_mb: int) -> tuple[Header, bytes]:
    """Answer one query, on a connection of its own."""
    started = time.monotonic()
    try:
        with connect(question.file, memory_mb) as connection:
            ((snapshot,),) = connection.execute("select snapshot_id from main.published").fetchall()
            kinds = exact_values.IN_ARROW if question.form == "arrow" else exact_values.IN_PYTHON
            asked = exact_values.question(connection, reading(connection, question.sql), kinds)
            answered = connection.execute(asked.sql)
            body, rows, truncated = _FORMS[question.form](answered, asked, question)
    except Exception as error:  # noqa: BLE001  every error of a query is its answer
        return _explained(error, question), b""
    elapsed = int(1_000 * (time.monotonic() - started))
    return Header(rows=rows, truncated=truncated, elapsed_ms=elapsed, snapshot=snapshot), body


def connect(file: str, memory_mb: int) -> duckdb.DuckDBPyConnection:
    """The published file, read-only, without access to anything else; the settings are locked."""
    connection = duckdb.connect(
        file,
        read_only=True,
        config={
            "enable_external_access": False,
            "allow_community_extensions": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
            "temp_directory": "",
            "memory_limit": f"{memory_mb}MB",
            "threads": 2,
        },
    )
    connection.execute("set timezone = 'UTC'")
    connection.execute("set lock_configuration = true")
    return connection


def _json(
    answered: duckdb.DuckDBPyConnection, asked: exact_values.Question, question: Question
) -> tuple[bytes, int, bool]:
    out = _Limited(question.answer_bytes)
    columns = [{"name": name, "type": kind} for name, kind in zip(asked.columns, asked.types, strict=True)]
    out.write(f'{{"columns": {as_json(columns)}, "rows": [')
    count, truncated = 0, False
    for row in asked.rows(_rows(answered)):
        truncated = count == question.rows
        if truncated:
            break
        out.write((",\n" if count else "\n") + as_json(row))
        count += 1
    out.write(f'\n], "truncated": {str(truncated).lower()}}}\n')
    return out.content(), count, truncated


def _csv(
    answered: duckdb.DuckDBPyConnection, asked: exact_values.Question, question: Question
) -> tuple[bytes, int, bool]:
    out = _Limited(question.answer_bytes)
    writer = csv.writer(cast(Any, out), lineterminator="\n")
    shown = as_cell if question.spreadsheet else as_text
    writer.writerow([shown(name) for name in asked.columns])
    count = 0
    for row in asked.rows(_rows(answered)):
        if count == question.rows:
            return out.content(), count, True
        writer.writerow([shown(value) for value in row])
        count += 1
    return out.content(), count, False


def _arrow(
    answered: duckdb.DuckDBPyConnection, asked: exact_values.Question, question: Question
) -> tuple[bytes, int, bool]:
    import pyarrow as pa

    reader = answered.to_arrow_reader(BATCH_ROWS)
    out, count, truncated = pa.BufferOutputStream(), 0, False
    fields = [field.with_name(name) for field, name in zip(reader.schema, asked.columns, strict=True)]
    writer = pa.ipc.new_stream(out, schema := pa.schema(fields))
    for batch in reader:
        left = question.rows - count
        truncated = batch.num_rows > left
        writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema).slice(0, left))
        count += min(left, batch.num_rows)
        if out.tell() > question.answer_bytes:
            raise _TooLarge(question.answer_bytes)
        if truncated:
            break
    writer.close()
    return out.getvalue().to_pybytes(), count, truncated


_FORMS = {"json": _json, "csv": _csv, "arrow": _arrow}


def _rows(answered: duckdb.DuckDBPyConnection) -> Any:
    while batch := answered.fetchmany(BATCH_ROWS):
        yield from batch


class _Limited(io.StringIO):
    """Text of at most `limit` characters."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def write(self, text: str, /) -> int:
        if self.tell() > self._limit:
            raise _TooLarge(self._limit)
        return super().write(text)

    def content(self) -> bytes:
        return self.getvalue().encode()


def _explained(error: Exception, question: Question) -> Header:
    kind: Kind = "invalid"
    match error:
        case _TooLarge():
            kind, message = "size", str(error)
        case Terminal():
            kind, message = "denied", str(error)
        case duckdb.OutOfMemoryException() | MemoryError():
            kind, message = "memory", "The query takes more memory than one query may use. Select less at a time."
        case duckdb.PermissionException():
            kind, message = "denied", "Only the warehouse's own tables can be read here: no files, no network."
        case duckdb.IOException() | duckdb.HTTPException() | duckdb.InternalException() | duckdb.FatalException():
            # Their messages may reveal a file's content, a path, or the machine.
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            message = "DuckDB could not run this query. The service's log has the reason."
        case duckdb.Error():
            text = str(error).split("\n\nLINE ", 1)[0].replace(str(Path(question.file).parent), "…")
            message = " ".join(text.split())
        case _:
            message = "The answer has a value that this format cannot represent. Cast it to VARCHAR."
    return Header(kind, message)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
