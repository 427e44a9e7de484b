"""Resources of assets: the settings, and the lake, which is opened once per run.

dagster-duckdb's resource leaks its connection when an asset raises; this one always closes the lake.
"""

from collections.abc import Collection, Iterator
from typing import Any

import dagster as dg

from headrace.contracts.settings import Settings
from headrace.orchestration.defs.publication import publication_of_run
from headrace.orchestration.instance.processes import process_tag
from headrace.orchestration.keys import BUILD_JOB, table_name
from headrace.warehouse.build_prefetch import BuildPrefetch
from headrace.warehouse.ingest.connect_staging import STAGED_TABLES
from headrace.warehouse.ingest.raw import raw_tables
from headrace.warehouse.lake import Lake
from headrace.warehouse.tables import all_tables


class BuildOptions(dg.ConfigurableResource):  # pyright: ignore[reportMissingTypeArgument]
    """How a run builds; set in the launchpad, or by `headrace build`."""

    full: bool = False
    """Rebuild tables from scratch instead of from what changed."""


def settings_resource(settings: Settings) -> dg.ResourceDefinition:
    """The settings of one stack. Every run requires them, so this is where a run is tagged with its process."""

    def given(context: dg.InitResourceContext) -> Settings:
        if context.run is not None and context.instance is not None:
            context.instance.add_run_tags(context.run.run_id, process_tag(context.run.run_id))
        return settings

    return dg.ResourceDefinition(given, description="The stack's settings.")


def opened_lake(context: dg.InitResourceContext) -> Iterator[Lake]:
    """The lake, for the length of a run."""
    with Lake.open(context.resources.settings) as lake:
        yield lake


def builds_of_run(context: dg.InitResourceContext) -> BuildPrefetch:
    """The builds of a run. The build job's steps share this process, so its builds are prefetched."""
    wanted: Collection[str] = ()
    if context.run is not None and context.run.job_name == BUILD_JOB:
        selected = context.run.asset_selection
        known = [*STAGED_TABLES, *(each.qualified for each in (*raw_tables(), *all_tables()))]
        wanted = known if selected is None else {table_name(key) for key in selected}
    return BuildPrefetch(context.resources.lake, wanted)


def build_resources(settings: Settings) -> dict[str, Any]:
    """All resources, by the names that assets ask for."""
    return {
        "settings": settings_resource(settings),
        "lake": dg.ResourceDefinition(
            opened_lake, required_resource_keys={"settings"}, description="DuckDB with the lake attached."
        ),
        "builds": dg.ResourceDefinition(
            builds_of_run, required_resource_keys={"lake"}, description="The builds of a run."
        ),
        "publication": dg.ResourceDefinition(
            publication_of_run, required_resource_keys={"settings", "lake"}, description="The published file of a run."
        ),
        "options": BuildOptions(),
    }
