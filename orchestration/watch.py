"""`headrace build --watch`: one process that builds after each landing commit and reports to Dagster.

`headrace.warehouse.build_cycle` runs a round. Each table is reported as a materialization at most once a minute, with
the rows of all rounds since the last report: events stay in Dagster's log, and a busy table changes several times a
minute.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from threading import Event

import dagster as dg
import structlog
from sqlalchemy.exc import OperationalError

from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.settings import Settings
from headrace.orchestration.defs.checks.warehouse import check_evaluation
from headrace.orchestration.instance.config import opened
from headrace.orchestration.keys import FILE_KEY, table_key
from headrace.orchestration.metadata import build_metadata, file_metadata, plot_metadata
from headrace.streaming.landing.positions import last_commit_id
from headrace.warehouse.build import BuildResult
from headrace.warehouse.build_cycle import BuildCycle, build_cycle
from headrace.warehouse.lake import Lake
from headrace.warehouse.lake.lock import watching
from headrace.warehouse.publication.publish import PublishResult

POLL_SECONDS = 0.5
REPORT_EVERY_SECONDS = 60.0
BACK_OFF_SECONDS = 2.0

log = structlog.get_logger(part="watch")


def watch(settings: Settings, stop: Event, echo: Callable[[str], None]) -> None:
    """Build until `stop` is set, which ends a running round early. Waits for an unavailable PostgreSQL.

    Raises:
        Terminal: another builder is watching already.
    """
    # Both outlive a lost connection: finished work is reported and published after PostgreSQL is available again.
    reports, done = Reports(), BuildCycle(stale=True)
    while not stop.is_set():
        try:
            with (
                watching(settings.conninfo()) as alone,
                opened(settings) as instance,
                Lake.open(settings) as lake,
                lake.translated_errors(),
            ):
                if not alone:
                    raise Terminal("Another process is watching already.", remedy="Stop it first.")
                _watch(lake, instance, done, reports, stop, echo)
        except (Transient, OperationalError) as error:
            log.warning("waiting for PostgreSQL", reason=str(error))
            stop.wait(BACK_OFF_SECONDS)


def _watch(
    lake: Lake,
    instance: dg.DagsterInstance,
    done: BuildCycle,
    reports: "Reports",
    stop: Event,
    echo: Callable[[str], None],
) -> None:
    seen: int | None = None
    while not stop.is_set():
        newest = last_commit_id(lake.settings.conninfo())
        if newest != seen:
            started = time.monotonic()
            build_cycle(lake, done, stop.is_set)
            _print(done.changed, done.failed, time.monotonic() - started, echo)
            reports.note(done)
            done.changed.clear()
            done.published = None
            # A round that ended early or failed in part is resumed at the next commit or the next start.
            seen = newest
        reports.send(instance, lake.settings, time.monotonic())
        stop.wait(POLL_SECONDS)
    reports.send(instance, lake.settings, float("inf"))


def _print(changed: list[BuildResult], failed: dict[str, str], seconds: float, echo: Callable[[str], None]) -> None:
    rows = sum(result.inserted for result in changed if result.table.startswith("raw."))
    if changed:
        echo(f"{rows:,} records, {len(changed)} tables changed ({seconds:.1f} s)")
    for name, reason in failed.items():
        echo(f"{name}: {reason}")


class Reports:
    """Results that have not been reported to Dagster yet."""

    def __init__(self) -> None:
        self._pending: dict[str, BuildResult] = {}
        self._published: PublishResult | None = None
        self._sent_at = float("-inf")

    def note(self, done: BuildCycle) -> None:
        """Add the results of a round to the next report."""
        for result in done.changed:
            self._pending[result.table] = added_up(self._pending.get(result.table), result)
        self._published = done.published or self._published

    def send(self, instance: dg.DagsterInstance, settings: Settings, now: float) -> None:
        """Send the pending results if the last report is old enough. Results that could not be sent stay pending."""
        if not (self._pending or self._published) or now - self._sent_at < REPORT_EVERY_SECONDS:
            return
        for name, result in list(self._pending.items()):
            metadata = build_metadata(result) | plot_metadata(settings, result)
            instance.report_runless_asset_event(dg.AssetMaterialization(table_key(name), metadata=metadata))
            del self._pending[name]
            for check in result.checks:
                instance.report_runless_asset_event(check_evaluation(name, check))
        if self._published is not None:
            metadata = file_metadata(self._published)
            instance.report_runless_asset_event(dg.AssetMaterialization(FILE_KEY, metadata=metadata))
            self._published = None
        self._sent_at = now


def added_up(before: BuildResult | None, after: BuildResult) -> BuildResult:
    """The later result, with the rows of both."""
    if before is None:
        return after
    return replace(
        after,
        inserted=before.inserted + after.inserted,
        updated=before.updated + after.updated,
        deleted=before.deleted + after.deleted,
        seconds=before.seconds + after.seconds,
    )
