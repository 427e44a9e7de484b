"""A builder that stays: it builds whenever something has landed, in one process, and reports to Dagster.

What a round is, is in `warehouse.rounds`. Reports are a materialization a table at most once a minute, with the rows
of all rounds since the last: events stay in Dagster's log, and a busy table changes several times a minute.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from threading import Event

import dagster as dg
import structlog

from contracts.errors import Terminal, Transient
from contracts.settings import Settings
from orchestration.assets_warehouse import build_metadata, file_metadata, plot_metadata
from orchestration.checks import check_evaluation
from orchestration.instance import opened
from orchestration.keys import FILE_KEY, table_key
from streaming.landing.accounts import last_commit_id
from warehouse.build import BuildResult
from warehouse.lake import Lake
from warehouse.lock import following
from warehouse.publish import PublishResult
from warehouse.rounds import build_round

POLL_SECONDS = 0.5
REPORT_EVERY_SECONDS = 60.0
BACK_OFF_SECONDS = 2.0

log = structlog.get_logger(part="follow")


def follow(settings: Settings, stop: Event, echo: Callable[[str], None]) -> None:
    """Build until `stop` is set: a round that has begun is ended first. An absent PostgreSQL is waited for.

    Raises:
        Terminal: another builder follows already.
    """
    while not stop.is_set():
        try:
            with (
                following(settings.conninfo()) as alone,
                opened(settings) as instance,
                Lake.open(settings) as lake,
            ):
                if not alone:
                    raise Terminal("Another process follows already.", remedy="Stop it first; one is enough.")
                _follow(lake, Reports(instance, lake), stop, echo)
        except Transient as error:
            log.warning("waiting for PostgreSQL", reason=str(error))
            stop.wait(BACK_OFF_SECONDS)


def _follow(lake: Lake, reports: "Reports", stop: Event, echo: Callable[[str], None]) -> None:
    seen: int | None = None
    while not stop.is_set():
        newest = last_commit_id(lake.settings.conninfo())
        if newest != seen:
            started = time.monotonic()
            done = build_round(lake, stop.is_set)
            reports.note(done.changed, done.published)
            _tell(done.changed, done.failed, time.monotonic() - started, echo)
            # A round that was cut short or failed in part is gone on with at the next commit, or the next start.
            seen = newest
        reports.send(time.monotonic())
        stop.wait(POLL_SECONDS)
    reports.send(float("inf"))


def _tell(changed: list[BuildResult], failed: dict[str, str], seconds: float, echo: Callable[[str], None]) -> None:
    rows = sum(result.inserted for result in changed if result.table.startswith("raw."))
    if changed:
        echo(f"{rows:,} records, {len(changed)} tables changed ({seconds:.1f} s)")
    for name, reason in failed.items():
        echo(f"{name}: {reason}")


class Reports:
    """What Dagster has not been told yet."""

    def __init__(self, instance: dg.DagsterInstance, lake: Lake) -> None:
        self._instance = instance
        self._lake = lake
        self._waiting: dict[str, BuildResult] = {}
        self._published: PublishResult | None = None
        self._sent_at = float("-inf")

    def note(self, changed: Iterable[BuildResult], published: PublishResult | None) -> None:
        """Keep the results of a round for the next report, added to those that wait."""
        for result in changed:
            self._waiting[result.table] = added_up(self._waiting.get(result.table), result)
        self._published = published or self._published

    def send(self, now: float) -> None:
        """Report what waits, if the last report is long enough ago."""
        if not self._waiting or now - self._sent_at < REPORT_EVERY_SECONDS:
            return
        for name, result in self._waiting.items():
            metadata = build_metadata(result) | plot_metadata(self._lake, result)
            self._report(dg.AssetMaterialization(table_key(name), metadata=metadata))
            for check in result.checks:
                self._report(check_evaluation(name, check))
        if self._published is not None:
            self._report(dg.AssetMaterialization(FILE_KEY, metadata=file_metadata(self._published)))
        self._waiting, self._published, self._sent_at = {}, None, now

    def _report(self, event: dg.AssetMaterialization | dg.AssetCheckEvaluation) -> None:
        self._instance.report_runless_asset_event(event)


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
