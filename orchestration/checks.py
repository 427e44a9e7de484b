"""Asset checks: keys and references of the tables as they are built, and the reconciliation of the topics.

The check of a table's key is part of the table's step, so it sees what was just built and costs no step of its own.
References are checked once both ends are built. `verify` reads all that a topic retains, so it is a step and a job of
its own; it stands on the topic, which no build makes.
"""

from collections.abc import Iterable, Iterator

import dagster as dg

from contracts.settings import Settings
from contracts.topics import TOPICS
from orchestration.keys import table_key, topic_key
from orchestration.reconciliation import reconcile_stack
from warehouse.checks import CheckResult, key_check, reference_checks
from warehouse.lake import Lake
from warehouse.reconcile import Reconciliation
from warehouse.tables import Reference, Table, comes_apart

KEY_CHECK = "key_is_unique"
VERIFY_CHECK = "verify"
ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


def reference_name(reference: Reference) -> str:
    """Name of the check of a reference."""
    return f"{'_and_'.join(reference.columns)}_in_{reference.to.replace('.', '_')}"


def key_check_spec(table: Table) -> dg.AssetCheckSpec:
    """The check that a table's own step reports."""
    return dg.AssetCheckSpec(
        KEY_CHECK, asset=table_key(table.qualified), description=f"No two rows have the same {', '.join(table.key)}."
    )


def check_key(lake: Lake, table: Table) -> dg.AssetCheckResult:
    """Check the key of a table that was just built."""
    return _result(KEY_CHECK, key_check(lake, table))


def reference_check_definitions(tables: Iterable[Table]) -> list[dg.AssetChecksDefinition]:
    """The reference checks, one step a table that has any. They wait for the tables referred to, which may be later."""
    return [_references_of(table) for table in tables if table.references]


def _references_of(table: Table) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=f"references_of_{table.schema}_{table.name}",
        specs=[
            dg.AssetCheckSpec(
                reference_name(each),
                asset=table_key(table.qualified),
                additional_deps=[table_key(each.to)] if each.to != table.qualified else None,
                description=f"Every {', '.join(each.columns)} is found in {each.to}.",
            )
            for each in table.references
        ],
    )
    def references(lake: dg.ResourceParam[Lake]) -> Iterator[dg.AssetCheckResult]:
        for reference, result in zip(table.references, reference_checks(lake, table), strict=True):
            severity = WARN if comes_apart(table, reference) else ERROR
            yield _result(reference_name(reference), result, severity)

    return references


def _result(name: str, result: CheckResult, severity: dg.AssetCheckSeverity = ERROR) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name,
        passed=result.passed,
        severity=severity,
        description=result.description,
        metadata={"violations": result.violations, **result.metadata},
    )


@dg.multi_asset_check(
    name="verify_topics",
    specs=[
        dg.AssetCheckSpec(
            VERIFY_CHECK,
            asset=topic_key(name),
            description="By offsets: what the topic retains has landed once and is registered once.",
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
    """How one topic adds up: an error when anything is lost, repeated or damaged, a warning when it is only behind."""
    counts = ("held", "landed", "registered", "quarantined", "expired", "given_up", "pending", "unregistered")
    faults = ("lost", "duplicated", "unknown", "chain_breaks", "damaged_files")
    behind = outcome.total("pending") + outcome.total("unregistered")
    stopped = [
        f"partition {each.partition}: {each.stopped_reason}" for each in outcome.partitions if each.stopped_reason
    ]
    if outcome.sound:
        description = f"{behind} records are still on their way." if behind else "All adds up."
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
