"""What Dagster loads: the definitions of one stack, put together from the modules beside this one."""

from datetime import timedelta
from typing import Any

import dagster as dg

from contracts.settings import Settings
from orchestration.assets_models import model_assets
from orchestration.assets_topics import topic_specs
from orchestration.assets_warehouse import warehouse_assets
from orchestration.checks import audit_rows, reference_check_definitions, verify_topics
from orchestration.checks_models import model_checks
from orchestration.jobs import JOBS
from orchestration.resources import build_resources
from orchestration.schedules import SCHEDULES
from orchestration.sensors import SENSORS
from warehouse.tables import all_tables


def build_defs(settings: Settings, resources: dict[str, Any] | None = None) -> dg.Definitions:
    """The definitions of the stack that `settings` describe; `resources` replace those of the same name."""
    return dg.Definitions(
        assets=[*topic_specs(), *(_kept_fresh(each, settings) for each in warehouse_assets()), *model_assets()],
        asset_checks=[*reference_check_definitions(all_tables()), verify_topics, audit_rows, *model_checks()],
        jobs=JOBS,
        sensors=SENSORS,
        schedules=SCHEDULES,
        resources={**build_resources(settings), **(resources or {})},
        # Assets materialized by hand run in one process too.
        executor=dg.in_process_executor,
    )


def _kept_fresh(assets: dg.AssetsDefinition, settings: Settings) -> dg.AssetsDefinition:
    """With the policy that turns a table yellow, then red, when no build has brought it up to date for so long.

    A build materializes every table, changed or not, and one comes every half hour at least: so what is stale means
    that builds fail or do not run.
    """
    window = timedelta(minutes=settings.fresh_minutes)
    policy = dg.FreshnessPolicy.time_window(fail_window=window, warn_window=window * 0.75)
    return assets.map_asset_specs(lambda spec: dg.apply_freshness_policy(spec, policy))


defs = build_defs(Settings())
