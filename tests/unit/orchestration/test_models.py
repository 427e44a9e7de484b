"""When a model is trained early, what a day's frame knows, and what the definitions cost."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import dagster as dg

from headrace.models.artifact import Measure
from headrace.orchestration.defs.assets.models import end_of
from headrace.orchestration.defs.checks.models import DRIFT_CHECK
from headrace.orchestration.defs.sensors.drift import drift_retrains, drift_was_found
from headrace.orchestration.keys import model_key
from headrace.orchestration.metadata import figures_table

TODAY = f"{datetime.now(UTC):%Y-%m-%d}"


def _checked(instance: dg.DagsterInstance, passed: bool) -> None:
    """A run of a drift check that found something, or nothing."""
    key = model_key("behavior", "champion")

    @dg.asset_check(asset=key, name=DRIFT_CHECK)
    def drifted() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=passed, severity=dg.AssetCheckSeverity.WARN)

    selection = dg.AssetSelection.checks(drifted)
    defs = dg.Definitions(asset_checks=[drifted], jobs=[dg.define_asset_job("check", selection)])
    assert defs.resolve_job_def("check").execute_in_process(instance=instance).success


def _requested(instance: dg.DagsterInstance) -> list[tuple[str | None, str | None]]:
    result = drift_retrains(dg.build_sensor_context(instance=instance))
    assert isinstance(result, dg.SensorResult)
    return [(each.job_name, each.partition_key) for each in result.run_requests or []]


def test_drift_that_was_found_trains_the_model_early_until_it_was_trained() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert not drift_was_found(instance, "behavior"), "never checked"
        _checked(instance, passed=True)
        assert _requested(instance) == []
        _checked(instance, passed=False)
        assert _requested(instance) == [("train_behavior", TODAY)]
        instance.report_runless_asset_event(dg.AssetMaterialization(model_key("behavior", "version")))
        assert _requested(instance) == []


def test_a_day_that_is_over_knows_nothing_of_what_came_after_and_today_knows_all() -> None:
    assert end_of("2011-06-01") == datetime(2011, 6, 2, tzinfo=UTC)
    assert end_of(TODAY) is None
    assert end_of(f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}") is not None


def test_figures_are_a_table_with_intervals_and_gaps_where_a_baseline_has_none() -> None:
    measured = {"model": {"auc": Measure(0.75, 0.7, 0.8), "ece": Measure(0.02, 0.01, 0.03)}, "recency": {}}
    assert figures_table(measured).splitlines() == [
        "|  | auc | ece |",
        "|---|---|---|",
        "| model | 0.750 (0.700 to 0.800) | 0.020 (0.010 to 0.030) |",
        "| recency |  |  |",
    ]


def test_definitions_and_processors_load_no_library_that_only_models_need() -> None:
    for module in ("headrace.orchestration.definitions", "headrace.streaming.processors.registry"):
        code = f"import sys, {module}; print([m for m in ('sklearn', 'mlflow', 'matplotlib') if m in sys.modules])"
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert run.stdout.strip() == "[]", module
