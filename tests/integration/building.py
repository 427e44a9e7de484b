"""Builds tables as `headrace build` does but without Dagster; also as a process, for tests that kill it."""

import os
import subprocess
import sys
from pathlib import Path

from headrace.contracts.settings import Settings
from headrace.warehouse.build import BuildResult, build, load, register
from headrace.warehouse.ingest.connect_staging import STAGED_TABLES
from headrace.warehouse.ingest.raw import raw_table, raw_tables
from headrace.warehouse.lake import Lake
from headrace.warehouse.tables import Table, all_tables

ROOT = Path(__file__).parents[2]


def build_from(settings: Settings, *topics: str, full: bool = False) -> dict[str, BuildResult]:
    """Register these topics (all, without any) and build the tables that can be built from them; results by table."""
    names = topics or tuple(table.topic for table in raw_tables())
    with Lake.open(settings) as lake:
        results = [register(lake, topic) for topic in names]
        results += [load(lake, name) for name in staged_from(*names)]
        results += [build(lake, table.qualified, full) for table in tables_from(*names)]
    return {result.table: result for result in results}


def staged_from(*topics: str) -> list[str]:
    """The tables that are taken from what Connect delivers of these topics."""
    return [name for name, staged in STAGED_TABLES.items() if staged.delivery.topic in topics]


def build_all(lake: Lake, full: bool = False) -> dict[str, BuildResult]:
    """Register and take everything and build every table, on a lake that is open; results by table."""
    results = [register(lake, table.topic) for table in raw_tables()]
    results += [load(lake, name) for name in STAGED_TABLES]
    results += [build(lake, table.qualified, full) for table in all_tables()]
    return {result.table: result for result in results}


def tables_from(*topics: str) -> list[Table]:
    """The tables that read nothing but these topics, directly or not, in order."""
    known = {raw_table(topic).qualified for topic in topics} | set(staged_from(*topics))
    found: list[Table] = []
    for table in all_tables():
        if known.issuperset(table.inputs):
            known.add(table.qualified)
            found.append(table)
    return found


def start_building(settings: Settings, *topics: str) -> subprocess.Popen[str]:
    """Another process that does the same."""
    assert settings.postgres_conninfo is not None
    environment = os.environ | {
        "HEADRACE_HOME": str(settings.home),
        "HEADRACE_POSTGRES_CONNINFO": settings.postgres_conninfo,
        "HEADRACE_DATABASE": settings.database,
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "tests.integration.building", *topics]
    return subprocess.Popen(command, env=environment, cwd=ROOT, text=True, stderr=subprocess.PIPE)


if __name__ == "__main__":
    build_from(Settings(), *sys.argv[1:])
