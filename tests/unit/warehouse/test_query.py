"""Values are printed as they are stored."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from headrace.commands.warehouse import distinct, print_csv, print_json, print_table
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.terminal import Printable
from headrace.warehouse.lake.connection import _duckdb  # pyright: ignore[reportPrivateUsage]
from headrace.warehouse.query import as_json, as_text
from headrace.warehouse.query.read_only import DENIED, only_reading


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("5761931.3820"), "5761931.3820"),
        (Decimal("0E-4"), "0.0000"),
        (Decimal("-0.0010"), "-0.0010"),
        (datetime(2026, 1, 2, 3, 4, 5, 678, UTC), "2026-01-02T03:04:05.000678Z"),
        (datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T01:00:00Z"),
        (date(2026, 1, 2), "2026-01-02"),
        (b"a\x00\\", "a\\x00\\x5C"),
        (None, ""),
        (True, "true"),
        (2**100, "1267650600228229401496703205376"),
    ],
)
def test_text_is_exact(value: object, text: str) -> None:
    assert as_text(value) == text


def test_json_is_valid_and_exact() -> None:
    row = {
        "money": Decimal("1.10"),
        "units": Decimal(7),
        "nan": float("nan"),
        "lines": [{"price": Decimal("2.5000")}],
        "time": datetime(2026, 1, 1, tzinfo=UTC),
        "text": 'a"\u2028\n',
    }
    assert json.loads(as_json(row)) == {
        "money": "1.10",
        "units": 7,
        "nan": "nan",
        "lines": [{"price": "2.5000"}],
        "time": "2026-01-01T00:00:00Z",
        "text": 'a"\u2028\n',
    }


def test_json_keeps_columns_of_the_same_name_apart() -> None:
    out = io.StringIO()
    print_json(("a", "a", "b"), iter([(1, 2, 3), (4, 5, 6)]), out)
    assert json.loads(out.getvalue()) == [{"a": 1, "a_1": 2, "b": 3}, {"a": 4, "a_1": 5, "b": 6}]
    assert distinct(("a", "a_1", "a")) == ["a", "a_1", "a_2"]


def test_no_rows_are_an_empty_array() -> None:
    out = io.StringIO()
    print_json(("a",), iter(()), out)
    assert json.loads(out.getvalue()) == []


def test_csv_quotes_what_needs_it() -> None:
    out = io.StringIO()
    print_csv(("a", "b"), iter([('x,"y"', None), ("line\nbreak", Decimal("1.50"))]), out)
    assert out.getvalue() == 'a,b\n"x,""y""",\n"line\nbreak",1.50\n'


def test_csv_for_a_spreadsheet_holds_no_formula_and_numbers_stay_numbers() -> None:
    out = io.StringIO()
    row = ("=HYPERLINK(1)", "+1", "@x", " -1", "\t=1", "\uff1d1", "a=1", Decimal("-2.50"), -3, "-")
    names = ("=name", *"bcdefghij")
    print_csv(names, iter([row]), out, spreadsheet=True)
    assert list(csv.reader(io.StringIO(out.getvalue()))) == [
        ["'=name", *"bcdefghij"],
        ["'=HYPERLINK(1)", "'+1", "'@x", "' -1", "'\t=1", "'\uff1d1", "a=1", "-2.50", "-3", "'-"],
    ]
    print_csv(("a",), iter([("=1",)]), out := io.StringIO())
    assert out.getvalue() == "a\n=1\n"


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def test_no_format_runs_an_escape_sequence_on_a_terminal() -> None:
    for form in (print_csv, print_json):
        form(("\x1b[2J", "b"), iter([("\x1b]0;x\x07", "\x9b31m")]), Printable(screen := Screen()))
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", screen.getvalue()), form
    print_csv(("a",), iter([("\x1b[2J",)]), Printable(pipe := io.StringIO()))
    assert pipe.getvalue() == "a\n\x1b[2J\n", "a file gets what is stored"
    print_table(("\x1b[2J",), ("VARCHAR",), iter([("x",)]), named := io.StringIO())
    assert "\x1b" not in named.getvalue()


def test_a_table_never_sends_control_characters_to_the_terminal() -> None:
    out = io.StringIO()
    print_table(("a", "n"), ("VARCHAR", "BIGINT"), iter([("\x1b[2Jx\n", 5), ("y", 10)]), out)
    assert (
        out.getvalue()
        == "a        n\n------  --\n\N{REPLACEMENT CHARACTER}[2Jx\N{REPLACEMENT CHARACTER}   5\ny       10\n"
    )


def test_a_long_answer_is_cut_with_a_hint() -> None:
    out = io.StringIO()
    print_table(("a",), ("BIGINT",), ((number,) for number in range(1_001)), out)
    assert out.getvalue().endswith("--format csv` prints all.\n")


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database with one table."""
    with duckdb.connect() as made:
        made.execute("create table t as select * from (values (1, 'x', 3), (2, 'y', 4)) rows(a, b, v)")
        yield made


@pytest.mark.parametrize(
    "statement",
    [
        "insert into t values (1)",
        "with x as (from t) insert into t from x",
        "drop table t",
        "copy t to 'x'",
        "attach 'x'",
        "set threads = 1",
        "select 1; select 2",
        "select 1; pragma version",
        "",
        "; ;",
        "pragma version",
        "pragma import_database('{folder}')",
        "PrAgMa/**/import_database('{folder}' || chr(0))",
        "-- a comment\nimport database '{folder}'",
        "import database '{folder}'",
        "explain pragma import_database('{folder}')",
        "explain import database '{folder}'",
        "pivot t on b using sum(v); import database '{folder}'",
        "call pragma_version()",
        "explain analyze copy (select 1) to '{folder}/out'",
        "explain analyze insert into t values (3, 'z', 5)",
        "explain (analyze) copy (select 1) to '{folder}/out'",
        "explain (/* ) select '*/ analyze) copy (select 1) to $$f$$ --'",
        "explain explain select 1",
        "create temp type x as enum (pivot t on b using sum(v))",
        "with x as (pivot t on b using sum(v)) insert into t from x",
        "from query('select 1')",
        "from main.\"query\"('select 1')",
        "from query_table('t')",
        "select * from json_execute_serialized_sql(json_serialize_sql('select 1'))",
        "select getenv('HOME')",
        "select 'HOME'.getenv()",
        "from duckdb_secrets()",
        "from duckdb_databases",
        "from 'duckdb_databases'",
        "select path from (from DUCKDB_Databases()) x",
        'select (select max(path) from "duckdb_databases"())',
        "pivot (select path from duckdb_databases()) on path using count(*)",
        "from pragma_database_list",
        "select current_setting('secret_directory')",
        "from duckdb_settings()",
        "from checkpoint()",
        "from postgres_execute('lake', 'drop table x')",
        "from ducklake_expire_snapshots('lake')",
        "from ducklake_commit('lake')",
        "from enable_profiling(save_location = '{folder}/out.json', format = 'json')",
        "from enable_logging('QueryLog', storage = 'file', storage_path = '{folder}/out')",
        "explain analyze from t, enable_logging()",
        "pivot (from enable_profiling()) on success using count(*)",
        "from duckdb_profiling_settings()",
        "select 1 \0",
    ],
)
def test_anything_but_one_reading_statement_is_denied_and_reads_no_file(
    statement: str, connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    (tmp_path / "schema.sql").write_text("hunter2 is no SQL;")
    with pytest.raises((Terminal, duckdb.ParserException)) as raised:
        only_reading(connection, statement.replace("{folder}", str(tmp_path)))
    assert "hunter2" not in str(raised.value)
    assert str(tmp_path) not in str(raised.value)


@pytest.mark.parametrize(
    "statement",
    [
        "select 1",
        "from t",
        "show all tables",
        "describe t",
        "summarize t",
        "values (1)",
        "table t",
        "(select 1) union all (select 2)",
        "explain select 1",
        "explain analyze select 1;",
        "EXPLAIN (format json) select 1",
        "explain (select 1)",
        "explain (select 1) union all select 2",
        "/* why */ -- not\n with a as (select 1) from a ;; ",
        "select ';' as query, 'pragma' as getenv -- ; pragma",
        "select 'it''s'",
        "pivot t on b using sum(v)",
        "from (pivot t on b using sum(v)) order by a",
        "with x as (pivot t on b using sum(v)) select * from x",
    ],
)
def test_reading_statements_are_let_through_and_run(statement: str, connection: duckdb.DuckDBPyConnection) -> None:
    assert connection.execute(only_reading(connection, statement)).fetchall()


_READING = frozenset(
    {
        # They read what a query may see: tables, their descriptions, generated values.
        *("duckdb_columns", "duckdb_constraints", "duckdb_coordinate_systems", "duckdb_dependencies"),
        *("duckdb_functions", "duckdb_indexes", "duckdb_keywords", "duckdb_memory", "duckdb_optimizers"),
        *("duckdb_schemas", "duckdb_secret_types", "duckdb_sequences", "duckdb_table_sample", "duckdb_tables"),
        *("duckdb_types", "duckdb_variables", "duckdb_views", "duckdb_approx_database_count"),
        *("duckdb_connection_count", "generate_series", "icu_calendar_names", "json_each", "json_tree"),
        *("pg_timezone_names", "pragma_collations", "pragma_database_size", "pragma_metadata_info"),
        *("pragma_platform", "pragma_show", "pragma_storage_info", "pragma_table_info", "pragma_user_agent"),
        *("pragma_version", "range", "repeat", "repeat_row", "summary", "test_all_types", "test_vector_types"),
        *("unnest", "histogram", "histogram_values"),
        *("ducklake_current_snapshot", "ducklake_last_committed_snapshot", "ducklake_list_files", "ducklake_scan"),
        *("ducklake_snapshots", "ducklake_table_changes", "ducklake_table_deletions", "ducklake_table_info"),
        "ducklake_table_insertions",
        # They read files or servers: of the operator's account by `headrace sql`, nothing at the SQL server, which
        # has no access to what is outside (`enable_external_access`, Landlock).
        *("glob", "parquet_bloom_probe", "parquet_file_metadata", "parquet_full_metadata", "parquet_kv_metadata"),
        *("parquet_metadata", "parquet_scan", "parquet_schema", "postgres_scan", "postgres_scan_pushdown"),
        *("read_blob", "read_csv", "read_csv_auto", "read_duckdb", "read_json", "read_json_auto"),
        *("read_json_objects", "read_json_objects_auto", "read_ndjson", "read_ndjson_auto", "read_ndjson_objects"),
        *("read_parquet", "read_postgres_binary", "read_text", "sniff_csv"),
    }
)


def test_every_table_function_is_known_to_read_only_or_denied(tmp_path: Path) -> None:
    """A new version of DuckDB brings new ones: look at what each does, then list it here or in `DENIED`."""
    with _duckdb(Settings(home=tmp_path)) as made:
        found = made.execute(
            "select distinct function_name from duckdb_functions() where function_type in ('table', 'table_macro')"
        ).fetchall()
    assert {name for (name,) in found} - DENIED - _READING == set()
    assert not DENIED & _READING


def test_a_comment_cannot_hide_what_is_explained(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    hidden = f"explain analyze /* /* */ select '*/ copy (select 1) to $${tmp_path}/out$$ -- '"
    connection.execute(only_reading(connection, hidden)).fetchall()
    assert not list(tmp_path.iterdir())
