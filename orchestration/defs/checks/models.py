"""Checks of the champions: drift of the data since their evaluation, and skew between training and serving.

They read a lot of data, so they have a job of their own. A sensor reads their results.
"""

import dagster as dg

from headrace.contracts.settings import Settings
from headrace.models.artifact import Name
from headrace.operations.training import SOURCES, drift_of
from headrace.orchestration.keys import model_key
from headrace.orchestration.metadata import drift_metadata
from headrace.warehouse.lake import Lake
from headrace.warehouse.quality.feature_skew import skew

DRIFT_CHECK = "scores_have_not_moved"
SKEW_CHECK = "stream_serves_what_was_trained_on"
WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR


def _drift_check(name: Name) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=model_key(name, "champion"),
        name=DRIFT_CHECK,
        description="Population stability index of scores and features; the threshold depends on the numbers of rows.",
    )
    def drifted(settings: dg.ResourceParam[Settings], lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
        found = drift_of(settings, lake, name)
        moved = [each.column for each in found if each.has_moved]
        return dg.AssetCheckResult(
            passed=not any(each.has_moved and each.of_scores for each in found),
            severity=WARN,
            description=f"Moved: {', '.join(moved)}." if moved else None,
            metadata=drift_metadata(found),
        )

    return drifted


@dg.asset_check(
    asset=model_key("behavior", "champion"),
    name=SKEW_CHECK,
    description="Features of the latest scores, recomputed in the warehouse as of the time of each score.",
)
def serves_what_was_trained_on(lake: dg.ResourceParam[Lake]) -> dg.AssetCheckResult:
    found = skew(lake)
    return dg.AssetCheckResult(
        passed=found.sound,
        severity=ERROR,
        description=", ".join(f"{name}: {count}" for name, count in found.differing.items() if count) or None,
        metadata={"rows": found.rows, **found.differing},
    )


_SKEW_CHECKS = [serves_what_was_trained_on] if "behavior" in SOURCES else []
MODEL_CHECKS = [*(_drift_check(name) for name in SOURCES), *_SKEW_CHECKS]
"""The drift check of every model, and the skew check of the one whose features the stream computes."""
