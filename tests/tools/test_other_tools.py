"""Others' tools read the published file: dbt-duckdb, marimo and plain DuckDB, each in an environment of its own.

The file has the published tables, with the rows that the unit tests of the cases make. `make tools` runs this suite,
which installs the tools from PyPI.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from headrace.operations.unit_tests.discovery import find
from headrace.warehouse.catalog import dbt
from headrace.warehouse.tables import all_tables
from headrace.warehouse.unit_testing.run import build, named
from headrace.warehouse.unit_testing.types import types

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "how-to" / "other-tools.md"
TOOLS = ("dbt-core==1.10.*", "dbt-duckdb==1.11.*", "duckdb==1.5.5", "marimo")
"""dbt-core 1.12 downloads a part of itself from GitHub while it is installed."""
NOTEBOOKS = ("ecommerce", "data_science")
PROJECT = """
name: shop
profile: headrace
model-paths: [models]
"""
MODEL = """
{{ config(materialized='table') }}
select sale_date, sum(orders) as orders, sum(revenue) as revenue
from {{ source('marts', 'sales_daily') }}
group by all
"""


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the tools."""
    folder = tmp_path_factory.mktemp("tools")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "-q", *TOOLS], check=True, timeout=600)
    return folder / "bin"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a published file."""
    folder = tmp_path / ".headrace"
    folder.mkdir()
    with duckdb.connect(str(folder / "warehouse.duckdb")) as published:
        for table in all_tables():
            if table.published:
                columns = ", ".join(f'"{name}" {kind}' for name, kind in types().of(table.qualified).items())
                published.execute(f"create schema if not exists {table.schema}")
                published.execute(f"create table {table.qualified} ({columns})")
        for test in find([]):
            if test.kind == "table" and named(test.subject).published:
                for row in build(named(test.subject), test.given).table:
                    places = ", ".join("?" * len(row))
                    published.execute(f"insert into {test.subject} values ({places})", list(row.values()))
    return folder


def test_dbt_reads_the_published_tables_by_the_generated_sources(tools: Path, home: Path, tmp_path: Path) -> None:
    project = tmp_path / "shop"
    (project / "models").mkdir(parents=True)
    written = dbt.write(project, all_tables(), home / "warehouse.duckdb")
    assert [path.name for path in written] == ["sources.yml", "profiles.yml"]
    written[0].rename(project / "models" / "sources.yml")
    (project / "dbt_project.yml").write_text(PROJECT)
    (project / "models" / "revenue.sql").write_text(MODEL)
    environment = os.environ | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false"}
    command = [tools / "dbt", "build", "--profiles-dir", ".", "--select", "revenue", "source:*"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    with duckdb.connect(str(project / "dbt.duckdb"), read_only=True) as made:
        assert [str(row[2]) for row in made.sql("from revenue order by all").fetchall()] == ["11.0000", "1.0000"]


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_the_notebook_of_each_case_runs_without_a_browser(
    tools: Path, home: Path, notebook: str, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    # A copy: marimo keeps its sessions beside a notebook.
    path = Path(shutil.copy(ROOT / "docs" / "notebooks" / f"{notebook}.py", tmp_path))
    command = [tools / "marimo", "export", "html", path, "-o", page, "--no-include-code"]
    environment = os.environ | {"HEADRACE_HOME": str(home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert page.stat().st_size > 10_000
    assert "MarimoExceptionRaisedError" not in page.read_text()


def test_the_line_for_plain_duckdb_works_as_the_guide_has_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home.parent)
    (block,) = re.findall(r"```sql\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert duckdb.connect().execute(block).fetchall() != []
