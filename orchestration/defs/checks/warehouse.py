"""Asset checks: each table's own checks, references between tables, and the reconciliation of the topics.

A table's own checks are part of its build, so they are part of its step. A failed blocking check fails the step and
rolls the table back. References are checked after both tables are built. `verify` reads everything that a topic
retains, so it has a step and a job of its own; its asset is the topic.
"""

from collections.abc import Iterable, Iterator

import dagster as dg

from headrace.contracts.settings import Settings
from headrace.contracts.topics import EVENT_TOPICS, TOPICS
from headrace.operations.reconciliation.compare import Reconciliation
from headrace.operations.reconciliation.stack import reconcile_stack
from headrace.orchestration.keys import table_key, topic_key
from headrace.warehouse.incremental.checks import Check, CheckResult, checks_of, reference_check_of, reference_checks
from headrace.warehouse.ingest.raw import raw_table
from headrace.warehouse.lake import Lake
from headrace.warehouse.quality.audit import ALL_KEYS, NO_CONFLICTS, audit_table, audit_topic
from headrace.warehouse.tables import Table, all_tables, comes_apart

VERIFY_CHECK = "verify"
ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


def own_check_specs(table: Table) -> list[dg.AssetCheckSpec]:
    """The checks that a table's own step reports."""
    return [_spec(table, check) for check in checks_of(table)]


def reference_check_definitions(tables: Iterable[Table]) -> list[dg.AssetChecksDefinition]:
    """The reference checks, one step for each table that has any. They run after the tables that they refer to."""
    return [_references_of(table) for table in tables if table.references]


def _references_of(table: Table) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=f"references_of_{table.schema}_{table.name}",
        specs=[
            _spec(table, reference_check_of(each), [table_key(each.to)] if each.to != table.qualified else None)
            for each in table.references
        ],
    )
    def references(lake: dg.ResourceParam[Lake]) -> Iterator[dg.AssetCheckResult]:
        for reference, result in zip(table.references, reference_checks(lake, table), strict=True):
            yield check_result(table.qualified, result, is_warning=comes_apart(table, reference))

    return references


def _spec(table: Table, check: Check, additional_deps: list[dg.AssetKey] | None = None) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        check.name,
        asset=table_key(table.qualified),
        description=check.description,
        blocking=check.is_blocking,
        additional_deps=additional_deps,
    )


def check_result(qualified: str, result: CheckResult, *, is_warning: bool = False) -> dg.AssetCheckResult:
    """The result of a check, as a step reports it."""
    return dg.AssetCheckResult(
        asset_key=table_key(qualified),
        check_name=result.check.name,
        passed=result.passed,
        severity=WARN if is_warning or result.check.is_warning else ERROR,
        description=result.description,
        metadata={"violations": result.violations, **result.metadata},
    )


def check_evaluation(qualified: str, result: CheckResult) -> dg.AssetCheckEvaluation:
    """The result of a check, as it is reported outside of a run."""
    reported = check_result(qualified, result)
    return dg.AssetCheckEvaluation(
        asset_key=table_key(qualified),
        check_name=result.check.name,
        passed=reported.passed,
        severity=reported.severity,
        description=reported.description,
        metadata=reported.metadata,
        blocking=result.check.is_blocking,
    )


@dg.multi_asset_check(
    name="verify_topics",
    specs=[
        dg.AssetCheckSpec(
            VERIFY_CHECK,
            asset=topic_key(name),
            description="By offsets: every record that the topic retains has landed once and is registered once.",
        )
        for name in TOPICS
    ],
    can_subset=True,
)
def verify_topics(
    context: dg.AssetCheckExecutionContext, settings: dg.ResourceParam[Settings]
) -> Iterator[dg.AssetCheckResult]:
    selected = {key.asset_key for key in context.selected_asset_check_keys}
    names = [name for name in TOPICS if topic_key(name) in selected]
    outcome = reconcile_stack(settings, names)
    for name in names:
        yield verification(name, Reconciliation([each for each in outcome.partitions if each.topic == name]))


def verification(topic: str, outcome: Reconciliation) -> dg.AssetCheckResult:
    """The check result of one topic: an error if records are lost, duplicated or damaged, a warning if it only lags."""
    counts = ("held", "landed", "registered", "quarantined", "expired", "skipped", "pending", "unregistered")
    faults = ("lost", "duplicated", "unknown", "chain_breaks", "damaged_files")
    behind = outcome.total("pending") + outcome.total("unregistered")
    stopped = [
        f"partition {each.partition}: {each.stopped_reason}" for each in outcome.partitions if each.stopped_reason
    ]
    if outcome.sound:
        description = f"{behind} records are in transit." if behind else "All adds up."
    else:
        found = [f"{outcome.total(name)} {name}" for name in faults if outcome.total(name)]
        description = "; ".join([*found, *stopped])
    return dg.AssetCheckResult(
        asset_key=topic_key(topic),
        check_name=VERIFY_CHECK,
        passed=outcome.complete,
        severity=dg.AssetCheckSeverity.WARN if outcome.sound else dg.AssetCheckSeverity.ERROR,
        description=description,
        metadata={name: outcome.total(name) for name in (*counts, *faults)},
    )


@dg.multi_asset_check(
    name="audit_rows",
    specs=[
        *(
            dg.AssetCheckSpec(
                NO_CONFLICTS.name,
                asset=table_key(raw_table(topic.name).qualified),
                description=NO_CONFLICTS.description,
            )
            for topic in EVENT_TOPICS
        ),
        *(
            dg.AssetCheckSpec(ALL_KEYS.name, asset=table_key(table.qualified), description=ALL_KEYS.description)
            for table in all_tables()
        ),
    ],
    can_subset=True,
)
def audit_rows(context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[Lake]) -> Iterator[dg.AssetCheckResult]:
    selected = {key.asset_key for key in context.selected_asset_check_keys}
    for topic in EVENT_TOPICS:
        raw = raw_table(topic.name).qualified
        if table_key(raw) in selected:
            yield check_result(raw, audit_topic(lake, topic.name))
    for table in all_tables():
        if table_key(table.qualified) in selected:
            yield check_result(table.qualified, audit_table(lake, table))


REFERENCE_CHECKS = reference_check_definitions(all_tables())
