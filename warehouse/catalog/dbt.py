"""The published file for dbt: the sources of a dbt project, and a profile of dbt-duckdb that attaches the file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from headrace.contracts.errors import Terminal
from headrace.warehouse.tables import SCHEMAS, Table

DATABASE = "headrace"
"""The name by which dbt knows the published file."""
MARK = "# Written by `headrace warehouse dbt`: run it again after the tables change.\n"
FILES = ("sources.yml", "profiles.yml")


def write(folder: Path, tables: Sequence[Table], published: Path) -> list[Path]:
    """Write `sources.yml` and `profiles.yml` into a folder; files of another origin are left alone.

    Raises:
        Terminal: one of the files exists, and was not written by this function.
    """
    documents = {"sources.yml": sources(tables), "profiles.yml": profile(published)}
    paths = {name: folder / name for name in FILES}
    for path in paths.values():
        if path.exists() and not path.read_text(encoding="utf-8").startswith(MARK):
            raise Terminal(f"{path} exists, and is not of Headrace.", remedy="Choose another folder, or move the file.")
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in paths.items():
        text = yaml.safe_dump(documents[name], sort_keys=False, allow_unicode=True, width=120)
        path.write_text(MARK + text, encoding="utf-8")
    return list(paths.values())


def sources(tables: Sequence[Table]) -> dict[str, Any]:
    """The published tables as sources of dbt, with their descriptions and, for keys of one column, tests."""
    return {
        "version": 2,
        "sources": [
            {
                "name": schema,
                "database": DATABASE,
                "schema": schema,
                "tables": [_table(each) for each in tables if each.published and each.schema == schema],
            }
            for schema in SCHEMAS
        ],
    }


def profile(published: Path) -> dict[str, Any]:
    """A profile that attaches the published file read-only. dbt's own models go to `dbt.duckdb`."""
    output = {
        "type": "duckdb",
        "path": "dbt.duckdb",
        "attach": [{"path": str(published), "alias": DATABASE, "read_only": True}],
        "threads": 2,
    }
    return {DATABASE: {"target": "published", "outputs": {"published": output}}}


def _table(table: Table) -> dict[str, Any]:
    columns: list[dict[str, Any]] = []
    for name, about in table.columns.items():
        column: dict[str, Any] = {"name": name, "description": about}
        if name in table.key:
            column["data_tests"] = ["not_null", "unique"] if table.key == (name,) else ["not_null"]
        columns.append(column)
    return {"name": table.name, "description": f"{table.grain} {table.description}", "columns": columns}
