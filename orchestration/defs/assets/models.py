"""The models as assets: the training frame, the version trained from it, its evaluation, and the champion.

All four are one step, because a training that is rejected halfway has no output. Partitions are days. The frame of a
day holds nothing later than that day, so past cutoffs can be backfilled. Plots are embedded in the metadata as images.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from headrace.contracts import clock
from headrace.contracts.settings import Settings
from headrace.models.artifact import Name, Rejected
from headrace.operations.rescoring import rescore
from headrace.operations.training import CASES, SOURCES, enrol, make_frame
from headrace.orchestration.instance.config import MODELS_POOL
from headrace.orchestration.keys import model_key, table_key
from headrace.orchestration.metadata import evaluation_metadata, frame_metadata, verdict_metadata, version_metadata
from headrace.warehouse.lake import Lake

if TYPE_CHECKING:
    from headrace.models.registry.store import Registry

DAYS = dg.DailyPartitionsDefinition(start_date="2009-01-01", end_offset=1)
"""A day's frame holds what was known at the end of that day; the end of today is now."""
TRAINED_CHECK = "training_is_possible"
NEW_DATA_ONLY = "headrace/new_data_only"
"""Tag of runs that train only if there is new data since the latest version."""

Yielded = Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]


@dg.asset(
    key=model_key("behavior", "rescoring"),
    deps=[model_key("behavior", "champion"), table_key("core.orders")],
    group_name="ecommerce/models",
    kinds={"kafka"},
    description="Scores inactive customers as of the latest order; writes to the topic `customer_behavior`.",
    pool=MODELS_POOL,
)
def rescoring(settings: dg.ResourceParam[Settings], lake: dg.ResourceParam[Lake]):
    version, customers = rescore(settings, lake)
    return dg.MaterializeResult(metadata={"version": version, "customers": customers})


def _model(name: Name) -> dg.AssetsDefinition:
    frame, version, evaluation, champion = (
        model_key(name, part) for part in ("frame", "version", "evaluation", "champion")
    )

    @dg.multi_asset(
        name=f"{name}_training",
        specs=[
            _spec(
                name,
                frame,
                [table_key(each) for each in SOURCES[name]],
                "Rows of features and outcomes.",
            ),
            _spec(name, version, [frame], "The model trained from the frame, registered as a version."),
            _spec(name, evaluation, [version], "Metrics on the later window, compared with the baselines."),
            _spec(name, champion, [evaluation], "Whether it became champion, and why."),
        ],
        check_specs=[
            dg.AssetCheckSpec(
                TRAINED_CHECK, asset=version, description="There is enough data, of every outcome, in time."
            )
        ],
        partitions_def=DAYS,
        pool=MODELS_POOL,
    )
    def trained(
        context: dg.AssetExecutionContext, settings: dg.ResourceParam[Settings], lake: dg.ResourceParam[Lake]
    ) -> Yielded:
        from headrace.models import training
        from headrace.models.registry.store import Registry

        made = make_frame(settings, lake, name, end_of(context.partition_key))
        yield dg.MaterializeResult(asset_key=frame, metadata=frame_metadata(made))
        registry = Registry.open(settings)
        try:
            model = training.train(made, newer_than=_last_seen(registry, name, context.run.tags))
        except Rejected as rejected:
            yield _possible(version, rejected)
            return
        yield _possible(version, None)
        result = enrol(registry, lake, made, model)
        yield dg.MaterializeResult(asset_key=version, metadata=version_metadata(result.version, model))
        yield dg.MaterializeResult(asset_key=evaluation, metadata=evaluation_metadata(model, made))
        yield dg.MaterializeResult(asset_key=champion, metadata=verdict_metadata(result.version, result.verdict))

    return trained


def _spec(name: Name, key: dg.AssetKey, deps: list[dg.AssetKey], description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        key,
        deps=deps,
        skippable=True,
        group_name=f"{CASES[name]}/models",
        kinds={"parquet" if key == model_key(name, "frame") else "scikitlearn"},
        description=description,
    )


def end_of(day: str) -> datetime | None:
    """The cutoff of a day's frame; None, which means now, for a day that is not over."""
    end = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(days=1)
    return end if end <= clock.now() else None


def _last_seen(registry: "Registry", model: Name, tags: Mapping[str, str]) -> datetime | None:
    """The `as_of` of the latest version, if the run is for new data only."""
    versions = registry.versions(model) if NEW_DATA_ONLY in tags else []
    return registry.card(versions[0]).frame.as_of if versions else None


def _possible(version: dg.AssetKey, rejected: Rejected | None) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=version,
        check_name=TRAINED_CHECK,
        passed=rejected is None,
        severity=dg.AssetCheckSeverity.WARN,
        description=None if rejected is None else str(rejected),
    )


MODEL_ASSETS = [*(_model(name) for name in SOURCES), *([rescoring] if "behavior" in SOURCES else [])]
"""The assets of every model that is trained from the warehouse."""
