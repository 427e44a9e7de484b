"""A build without the daemon: the same assets, once, in this process, on the stack's Dagster instance.

Dagster's UI shows it like any other run.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import dagster as dg

from headrace.contracts import clock
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.orchestration.definitions import build_defs
from headrace.orchestration.instance.config import opened
from headrace.orchestration.instance.processes import fail_abandoned_runs, process_tag
from headrace.orchestration.keys import BUILD_JOB, FILE_KEY, table_name

ROW_COUNT = "dagster/row_count"


@dataclass(frozen=True)
class BuildSummary:
    """The result of a build. Tables are named with their schema, checks as `table: check`.

    `skipped` are the tables that were not built because one of their inputs failed.
    """

    success: bool
    rows_by_table: dict[str, int]
    failed: tuple[str, ...]
    skipped: tuple[str, ...]
    failed_checks: tuple[str, ...]
    run_id: str


def build(
    settings: Settings,
    *,
    full: bool = False,
    select: Sequence[str] | None = None,
    echo: Callable[[str], None] | None = None,
) -> BuildSummary:
    """Build everything, or only the tables selected (names with schema, such as `marts.sales_daily`).

    `full` rebuilds tables from scratch instead of from what changed. `echo` is called with a line for each table that
    finishes or fails.

    Raises:
        Terminal: a selected table does not exist.
    """
    job = build_defs(settings).resolve_job_def(BUILD_JOB)
    known = {table_name(key): key for key in job.asset_layer.executable_asset_keys}
    names = _selected(known, select)
    run_id, started = str(uuid4()), clock.seconds()
    with opened(settings) as instance:
        fail_abandoned_runs(instance)
        if echo is not None:
            instance.add_event_listener(run_id, lambda entry: _print_event(entry.dagster_event, echo))
        result = job.execute_in_process(
            instance=instance,
            run_id=run_id,
            # A selection would include every check of its assets, those of the daily audit too.
            asset_selection=None if select is None else [known[name] for name in names],
            run_config={
                "resources": {"options": {"config": {"full": full}}},
                # Dagster's log of the run is in its storage; the terminal is for `echo`.
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            tags=process_tag(run_id),
            raise_on_error=False,
        )
        summary = summarize(result.all_events, names, run_id)
        file = table_name(FILE_KEY)
        if file in summary.skipped and _was_published(instance, started):
            summary = replace(summary, skipped=tuple(name for name in summary.skipped if name != file))
            if echo is not None:
                echo(f"{file}: published; tables that failed have the rows of their last successful build")
    return summary


def _was_published(instance: dg.DagsterInstance, since: float) -> bool:
    """Whether the run, whose file asset was skipped, wrote the published file at its end."""
    event = instance.get_latest_materialization_event(FILE_KEY)
    return event is not None and event.timestamp >= since


def _selected(known: Iterable[str], select: Sequence[str] | None) -> list[str]:
    if select is None:
        return sorted(known)
    if unknown := sorted(set(select) - set(known)):
        raise Terminal(f"There is nothing to build called {', '.join(unknown)}.", remedy=f"Known: {', '.join(known)}.")
    return sorted(set(select))


def summarize(events: Iterable[dg.DagsterEvent], names: Iterable[str], run_id: str) -> BuildSummary:
    """The summary of a run that was to build these tables, from its events."""
    rows: dict[str, int] = {}
    built: set[str] = set()
    failed_steps: set[str] = set()
    failed_checks: list[str] = []
    completed = False
    for event in events:
        if event.is_step_materialization and event.asset_key is not None:
            name = table_name(event.asset_key)
            built.add(name)
            if (count := _metadata(event).get(ROW_COUNT)) is not None:
                rows[name] = count
        elif event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR:
                failed_checks.append(f"{table_name(check.asset_key)}: {check.check_name}")
        elif event.is_step_failure and event.step_key is not None:
            failed_steps.add(event.step_key)
        completed = completed or event.event_type is dg.DagsterEventType.RUN_SUCCESS
    failed = [name for name in names if name.replace(".", "__") in failed_steps]
    return BuildSummary(
        success=completed and not failed_checks,
        rows_by_table=rows,
        failed=tuple(failed),
        skipped=tuple(name for name in names if name not in built and name not in failed),
        failed_checks=tuple(failed_checks),
        run_id=run_id,
    )


def _print_event(event: dg.DagsterEvent | None, echo: Callable[[str], None]) -> None:
    if event is None:
        return
    if event.is_step_materialization and event.asset_key is not None:
        echo(_built_line(table_name(event.asset_key), _metadata(event)))
    elif event.is_step_failure and event.step_key is not None:
        error = event.step_failure_data.error
        root = error.cause or error if error is not None else None
        reason = root.message.strip() if root is not None else "failed"
        echo(f"{event.step_key.replace('__', '.', 1)}: {reason}")


def _built_line(name: str, metadata: Mapping[str, Any]) -> str:
    if ROW_COUNT not in metadata:
        return f"{name}: done"
    changes = " ".join(f"{metadata[kind]:,} {kind}" for kind in ("inserted", "updated", "deleted") if metadata[kind])
    return f"{name}: {metadata[ROW_COUNT]:,} rows, {changes or 'unchanged'} ({metadata['duration_s']:.1f} s)"


def _metadata(event: dg.DagsterEvent) -> dict[str, Any]:
    return {name: value.value for name, value in event.step_materialization_data.materialization.metadata.items()}
