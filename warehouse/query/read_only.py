"""Accepts only statements that read: exactly one SELECT by DuckDB's own parser, or EXPLAIN of one. Nothing runs here.

The text is parsed by `json_serialize_sql`, which only parses. Python's `extract_statements` would do more: for
`PRAGMA import_database(…)` and `IMPORT DATABASE` it reads the statements of a file, and their errors quote the file.
"""

import json
import re
from collections.abc import Iterable

import duckdb

from headrace.contracts.errors import Terminal

# Words only, so that no comment or quote can begin here and end within the explained statement.
_EXPLAINS = re.compile(r"explain\b\s*(?:analyze\b|\([\w\s,]*\)(?=\s*[\w(]))?", re.IGNORECASE)
_BEFORE_A_WORD = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
_WORD = re.compile(r"\w+")
# Quotes within a JSON string are escaped, so this matches only keys.
_NAMES = re.compile(r'"(?:table_name|function_name)":"((?:[^"\\]|\\.)*)"')
_ENDS = re.compile(r"(?<![;\s])[;\s]+\Z")
DENIED = frozenset(
    {
        # They run a text as a statement, so its names cannot be checked here.
        *("query", "query_table", "json_execute_serialized_sql"),
        # They reveal the machine: environment, paths, settings, secrets, logs.
        *("getenv", "duckdb_secrets", "which_secret", "duckdb_databases", "pragma_database_list"),
        *("duckdb_settings", "pg_settings", "current_setting", "duckdb_extensions", "duckdb_temporary_files"),
        *("duckdb_external_file_cache", "duckdb_logs", "duckdb_log_contexts", "duckdb_logs_parsed"),
        *("duckdb_prepared_statements", "pg_prepared_statements", "duckdb_profiling_settings"),
        # They change state, or take memory addresses.
        *("enable_logging", "disable_logging", "enable_profiling", "disable_profiling"),  # these write any file
        *("checkpoint", "force_checkpoint", "truncate_duckdb_logs", "write_log", "copy_database"),
        *("arrow_scan", "arrow_scan_dumb", "pandas_scan", "python_map_function", "seq_scan"),
        *("postgres_execute", "postgres_query", "postgres_attach", "postgres_configure_pool", "pg_clear_cache"),
        *("ducklake_expire_snapshots", "ducklake_cleanup_old_files", "ducklake_delete_orphaned_files"),
        *("ducklake_flush_inlined_data", "ducklake_merge_adjacent_files", "ducklake_rewrite_data_files"),
        *("ducklake_add_data_files", "ducklake_set_option", "ducklake_set_commit_message", "ducklake_options"),
        *("ducklake_settings", "ducklake_commit"),
    }
)
"""Functions and views that a SELECT can name but a query here may not."""
_DENIED_WORD = re.compile(rf"\b({'|'.join(sorted(DENIED, key=len, reverse=True))})\b", re.IGNORECASE)
_PIVOT = re.compile(r"\bpivot", re.IGNORECASE)
_BEGINS_SELECT = frozenset({"SELECT", "FROM", "WITH", "PIVOT", "PIVOT_WIDER", "VALUES", "TABLE", "("})


def only_reading(connection: duckdb.DuckDBPyConnection, sql: str) -> str:
    """The statement without its final semicolon, if it is a single statement that only reads.

    Raises:
        Terminal: it is more than one statement, does more than read, or uses a name in `DENIED`.
        duckdb.ParserException: it is not SQL. The message quotes only the statement.
    """
    statement = _trimmed(sql)
    explains = _EXPLAINS.match(statement)
    if explains is None:
        _require_select(connection, statement)
        return statement
    prefix, rest = explains.group(), _trimmed(statement[explains.end() :])
    # `(` may begin options or the SELECT itself: the one that parses.
    if prefix.endswith(")") and _is_select(connection, short := _trimmed(statement[len("explain") :])):
        prefix, rest = "explain", short
    _require_select(connection, rest)
    # Joined from the checked parts: between them there may be a comment that DuckDB would end elsewhere.
    return f"{prefix} {rest}"


def is_explain(statement: str) -> bool:
    """Whether a statement that `only_reading` accepted is an EXPLAIN."""
    return _EXPLAINS.match(statement) is not None


def _trimmed(sql: str) -> str:
    """Without comments and spaces before the statement, and without semicolons after it."""
    if "\0" in sql or any("\ud800" <= character <= "\udfff" for character in sql):
        raise Terminal("The statement is not text: it contains NUL or bytes that are not UTF-8.", remedy="Send UTF-8.")
    start = _BEFORE_A_WORD.match(sql)
    return _ENDS.sub("", sql[start.end() if start else 0 :])


def _require_select(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    parsed, count = _parsed(connection, statement)
    if parsed.startswith('{"error":false'):
        if count != 1:
            raise Terminal(f"That is {count} statements.", remedy="Send exactly one statement.")
        _require_allowed(name.lower() for name in _NAMES.findall(parsed))
        return
    error = json.loads(parsed)
    if error["error_type"] != "not implemented":
        raise duckdb.ParserException(f"Parser Error: {error['error_message']}")
    if not _is_pivot(connection, statement):
        raise Terminal(
            f"The warehouse is read-only here: {_first_word(statement)} is denied.",
            remedy="Only `headrace build` writes its tables; send one SELECT.",
        )
    _require_allowed(name.lower() for name in _DENIED_WORD.findall(statement))


def _require_allowed(names: Iterable[str]) -> None:
    for name in names:
        if name in DENIED:
            raise Terminal(f"{name} is denied here.", remedy="Query the warehouse's tables; `show tables` lists them.")


def _is_select(connection: duckdb.DuckDBPyConnection, statement: str) -> bool:
    parsed, count = _parsed(connection, statement)
    return parsed.startswith('{"error":false') and count == 1


def _parsed(connection: duckdb.DuckDBPyConnection, statement: str) -> tuple[str, int]:
    """The syntax tree in JSON, or the error; and the number of statements. Only SELECT has such a tree."""
    literal = "'" + statement.replace("'", "''") + "'"
    asked = f"select tree, json_array_length(tree, '$.statements') from (select json_serialize_sql({literal}) as tree)"  # noqa: S608
    ((tree, count),) = connection.execute(asked).fetchall()
    return tree, count or 0


def _is_pivot(connection: duckdb.DuckDBPyConnection, statement: str) -> bool:
    """Whether it is a SELECT with a PIVOT whose columns depend on the data.

    DuckDB splits it into two statements, the first of which creates a temporary type, and has no syntax tree for them.
    In a text that begins like a SELECT, DuckDB replaces nothing by a file's content.
    """
    if _first_word(statement) not in _BEGINS_SELECT or not _PIVOT.search(statement) or _separates(statement):
        return False
    *types, last = [part.type for part in connection.extract_statements(statement)]
    return last == duckdb.StatementType.SELECT and all(kind == duckdb.StatementType.CREATE for kind in types)


def _separates(statement: str) -> bool:
    """Whether the text has a semicolon token, by DuckDB's tokenizer."""
    tokens = duckdb.tokenize(statement)
    return any(kind == duckdb.token_type.operator and statement.encode()[at : at + 1] == b";" for at, kind in tokens)


def _first_word(statement: str) -> str:
    if statement.startswith("("):
        return "("
    found = _WORD.match(statement)
    return found.group().upper() if found else "that"
