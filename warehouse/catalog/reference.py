"""The reference page of the tables, and the types of their columns, made from their files. Text only."""

from functools import cache

import duckdb

from headrace.warehouse.ingest.connect_staging import STAGED_TABLES, types_of
from headrace.warehouse.ingest.raw import declared_schemas
from headrace.warehouse.lake.watermarks import FRESHNESS_COLUMNS
from headrace.warehouse.tables import DOMAINS, Table, all_tables

_TITLES = {"ecommerce": "E-commerce", "data_science": "Data science", "operations": "Operations"}
_INTRODUCTION = """Made from `warehouse/sql/` by `make docs`; edit the files, not this page. The same descriptions are
comments in the lake and on the tables' pages in Dagster. The columns of `raw.*` are those of the
[topics](topics.md)."""


@cache
def column_types() -> dict[str, dict[str, str]]:
    """Names and types of the columns of every table, raw ones included, as the files and contracts say they are."""
    with duckdb.connect() as connection:
        declare_inputs(connection)
        for table in all_tables():
            connection.execute(f"create table {table.qualified} as {table.sql}")
        rows = connection.execute(
            "select schema_name || '.' || table_name, column_name, data_type from duckdb_columns()"
            " order by column_index"
        ).fetchall()
    types: dict[str, dict[str, str]] = {}
    for name, column, kind in rows:
        types.setdefault(name, {})[column] = kind
    return types


def declare_inputs(connection: duckdb.DuckDBPyConnection) -> None:
    """Create what the tables' files read besides each other, empty: the raw tables, Connect's staging, freshness."""
    connection.execute("set timezone = 'UTC'; create schema raw; create schema core; create schema marts")
    connection.execute(f"create schema meta; create table meta.freshness ({FRESHNESS_COLUMNS})")
    for name, schema, _ in declared_schemas():
        connection.register("declared", schema.empty_table())
        connection.execute(f"create table {name} as from declared")
    connection.unregister("declared")
    for staged in STAGED_TABLES.values():
        columns = ", ".join(f'"{name}" {kind}' for name, kind in types_of(staged).items())
        connection.execute(f"create table {staged.table.qualified} ({columns})")


def tables_page() -> str:
    """`docs/reference/tables.md`: every table with what it is for, its checks and its columns."""
    parts = ["# Tables", _INTRODUCTION]
    known = (*(staged.table for staged in STAGED_TABLES.values()), *all_tables())
    for domain in dict.fromkeys((*DOMAINS, *(table.domain for table in known))):
        tables = sorted((table for table in known if table.domain == domain), key=lambda table: table.qualified)
        parts.append(f"## {_TITLES.get(domain, domain)}")
        parts.append(" · ".join(f"[{table.qualified}](#{_anchor(table)})" for table in tables))
        parts += map(_section, tables)
    return "\n\n".join(parts) + "\n"


def _anchor(table: Table) -> str:
    return table.qualified.replace(".", "")


def _section(table: Table) -> str:
    facts = [f"Key: {_code(table.key)}."] + ([f"Reads {_code(table.inputs)}."] if table.inputs else [])
    if table.partition:
        facts.append(f"Partitioned by `{table.partition}`.")
    facts += [
        f"{_code(each.columns)} refers to `{each.to}` ({', '.join(each.to_columns)})." for each in table.references
    ]
    lines = [f"### {table.qualified}", "", table.grain, table.description, "", " ".join(facts)]
    if table.row_checks:
        lines += ["", f"Rows that fail one of these row checks go to `{table.quarantine}`:", ""]
        lines += [f"- {name}: `{rule}`" for name, rule in table.row_checks.items()]
    if table.audits:
        lines += ["", "A build that fails one of these audits is rolled back:", ""]
        lines += [f"- {name}: `{required}`" for name, required in table.audits.items()]
    lines += ["", "| column | type | meaning |", "|---|---|---|"]
    types = column_types()[table.qualified]
    lines += [f"| `{name}` | {types[name]} | {about} |" for name, about in table.columns.items()]
    return "\n".join(lines)


def _code(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
