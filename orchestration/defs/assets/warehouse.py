"""The warehouse as assets: raw tables, what Connect delivers, core, marts, and the published file.

Each asset is a few lines around a public function of `warehouse`; `headrace.orchestration.metadata` composes what
Dagster shows of a build.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from headrace.contracts.settings import Settings
from headrace.orchestration.defs.checks.warehouse import check_result, own_check_specs
from headrace.orchestration.defs.publication import Publication
from headrace.orchestration.defs.resources import BuildOptions
from headrace.orchestration.defs.retries import retried
from headrace.orchestration.instance.config import WAREHOUSE_POOL
from headrace.orchestration.keys import FILE_KEY, source_keys, table_key, topic_key
from headrace.orchestration.metadata import build_metadata, file_metadata, plot_metadata
from headrace.warehouse.build import BuildResult
from headrace.warehouse.build_prefetch import BuildPrefetch
from headrace.warehouse.incremental.engine import Blocked
from headrace.warehouse.ingest.connect_staging import STAGED_TABLES, StagedTable
from headrace.warehouse.ingest.raw import RawTable, raw_tables
from headrace.warehouse.tables import Table, all_tables


def warehouse_assets() -> list[dg.AssetsDefinition]:
    """Every asset that a build materializes, in no particular order."""
    raw, tables = raw_tables(), all_tables()
    return [
        *(_raw_asset(each) for each in raw),
        *(_staged_asset(each) for each in STAGED_TABLES.values()),
        *(_table_asset(each) for each in tables),
        _file_asset([table_key(each.qualified) for each in tables if each.published]),
    ]


def _raw_asset(table: RawTable) -> dg.AssetsDefinition:
    @dg.asset(
        key=table_key(table.qualified),
        deps=[topic_key(table.topic)],
        group_name=f"{table.domain}/raw",
        kinds={"parquet", "duckdb"},
        description=table.description,
        metadata={"quarantine": table.quarantine} if table.quarantine else None,
        pool=WAREHOUSE_POOL,
    )
    def registered(builds: dg.ResourceParam[BuildPrefetch]):
        with retried():
            result = builds.register(table.topic)
        return dg.MaterializeResult(metadata=build_metadata(result))

    return registered


def _staged_asset(staged: StagedTable) -> dg.AssetsDefinition:
    table = staged.table

    @dg.asset(
        key=table_key(table.qualified),
        deps=[topic_key(staged.delivery.topic)],
        group_name=f"{table.domain}/{table.schema}",
        kinds={"postgres", "duckdb"},
        description=f"{table.grain}\n\n{table.description}",
        metadata={"key": ", ".join(table.key), "staging": staged.delivery.qualified},
        check_specs=own_check_specs(table),
        pool=WAREHOUSE_POOL,
    )
    def loaded(builds: dg.ResourceParam[BuildPrefetch]):
        with retried():
            return _materialization(table, builds.load(table.qualified))

    return loaded


def _table_asset(table: Table) -> dg.AssetsDefinition:
    @dg.asset(
        key=table_key(table.qualified),
        deps=list(dict.fromkeys(key for source in table.inputs for key in source_keys(source))),
        group_name=f"{table.domain}/{table.schema}",
        kinds={"duckdb", "sql"},
        description=f"{table.grain}\n\n{table.description}",
        metadata={
            "key": ", ".join(table.key),
            "quarantine": table.quarantine or "",
            "sql": dg.MetadataValue.md(f"```sql\n{table.sql}\n```"),
        },
        check_specs=own_check_specs(table),
        pool=WAREHOUSE_POOL,
    )
    def built(settings: dg.ResourceParam[Settings], builds: dg.ResourceParam[BuildPrefetch], options: BuildOptions):
        try:
            with retried():
                result = builds.build(table.qualified, full=options.full)
        except Blocked as blocked:
            yield from (check_result(table.qualified, each) for each in blocked.checks)
            raise
        yield _materialization(table, result, plot_metadata(settings, result))

    return built


def _file_asset(published: list[dg.AssetKey]) -> dg.AssetsDefinition:
    @dg.asset(
        key=FILE_KEY,
        deps=published,
        group_name="published",
        kinds={"duckdb"},
        description="The marts and dimensions as a plain DuckDB file, replaced after each build, for any client.",
        pool=WAREHOUSE_POOL,
    )
    def warehouse_file(publication: dg.ResourceParam[Publication]):
        with retried():
            result = publication.publish()
        return dg.MaterializeResult(metadata=file_metadata(result))

    return warehouse_file


def _materialization(
    table: Table, result: BuildResult, shown: Mapping[str, Any] | None = None
) -> dg.MaterializeResult[Any]:
    return dg.MaterializeResult(
        metadata=build_metadata(result) | dict(shown or {}),
        check_results=[check_result(table.qualified, each) for each in result.checks],
    )


WAREHOUSE_ASSETS = warehouse_assets()
