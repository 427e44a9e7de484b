"""What Dagster loads: the definitions in `headrace.orchestration.defs`, bound to one stack's settings and resources."""

import warnings
from datetime import timedelta
from typing import Any

import dagster as dg

from headrace.contracts.settings import Settings
from headrace.orchestration import defs as definitions
from headrace.orchestration.defs.resources import build_resources
from headrace.orchestration.keys import is_built


def build_defs(settings: Settings, resources: dict[str, Any] | None = None) -> dg.Definitions:
    """The definitions of the stack that `settings` describe; `resources` replace those of the same name."""
    with warnings.catch_warnings():
        # Dagster calls loading from a package "in preview": its version is pinned, and a test pins what is loaded.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        loaded = dg.load_definitions_from_package_module(
            definitions,
            resources={**build_resources(settings), **(resources or {})},
            # Assets materialized by hand run in one process too.
            executor=dg.in_process_executor,
        )
        return loaded.map_asset_specs(func=lambda spec: _kept_fresh(spec, settings) if is_built(spec.key) else spec)


def _kept_fresh(spec: dg.AssetSpec, settings: Settings) -> dg.AssetSpec:
    """The spec with a freshness policy: a warning, then a failure, if no build has updated the table for that long.

    A build materializes every table, changed or not, and runs at least every half hour. A stale table therefore means
    that builds fail or do not run.
    """
    window = timedelta(minutes=settings.fresh_minutes)
    policy = dg.FreshnessPolicy.time_window(fail_window=window, warn_window=window * 0.75)
    return dg.apply_freshness_policy(spec, policy)


defs = build_defs(Settings())
