"""Replaces the rows of tables by those of their shadows, all in one transaction under the builder's lock.

1. Shadows are built again whose inputs have changed since the plan, or read a shadow that is.
2. The rows that differ are written, the checks evaluated, and the watermarks moved to the snapshot that was read.
3. The transaction commits: every table is replaced, or none is.
"""

from dataclasses import dataclass

from headrace.contracts.errors import Terminal
from headrace.warehouse.catalog import lineage
from headrace.warehouse.incremental import checks, engine
from headrace.warehouse.incremental.plan import Facts, make_plan
from headrace.warehouse.ingest import raw
from headrace.warehouse.lake import Lake, watermarks
from headrace.warehouse.lake.target import Changes
from headrace.warehouse.publication import failures
from headrace.warehouse.shadow.building import Shadow, ShadowPlan, build


@dataclass(frozen=True)
class Applied:
    """The rows written to a table. `is_rebuilt`: its shadow was built again, because an input had changed."""

    table: str
    changes: Changes
    is_rebuilt: bool


def apply(lake: Lake, plan: ShadowPlan) -> list[Applied]:
    """Replace the tables of a plan.

    Raises:
        Terminal: the plan has a table that cannot be built.
        Blocked: a table breaks a check; nothing is replaced.
        Transient: PostgreSQL is unavailable, or other writers were in the way at every attempt.
    """
    if plan.problems:
        raise Terminal(
            f"{', '.join(each.table.qualified for each in plan.problems)} cannot be replaced, so nothing was.",
            remedy="Correct the files, and run `headrace plan` again.",
        )
    if not plan.shadows:
        return []
    with lake.translated_errors():
        raw.ensure(lake)
        checks.ensure(lake)
        lineage.ensure(lake)
    try:
        done = lake.write(lambda: _replace(lake, plan))
    finally:
        lake.forget()  # what was cached within the transaction
    failures.clear(lake, [each.table for each in done])
    return done


def _replace(lake: Lake, plan: ShadowPlan) -> list[Applied]:
    snapshot = lake.snapshot()
    moved = lake.changed_since(plan.snapshot)
    rebuilt: set[str] = set()
    for shadow in plan.shadows:
        if set(shadow.table.inputs) & (moved | rebuilt):
            build(lake, shadow, plan)
            rebuilt.add(shadow.table.qualified)
    plan.snapshot = snapshot
    facts = [_facts(lake, shadow, snapshot) for shadow in plan.shadows]
    plans = [make_plan(shadow.table, of, full=True) for shadow, of in zip(plan.shadows, facts, strict=True)]
    built = [
        engine.write_computed(lake, made, shadow.rows, shadow.rejected)
        for made, shadow in zip(plans, plan.shadows, strict=True)
    ]
    checks.keep(lake, {made.table.qualified: each.checks or () for made, each in zip(plans, built, strict=True)})
    watermarks.move_all(lake, {made.table.qualified: made.watermarks() for made in plans})
    lake.forget()  # lineage needs the columns that the tables have now
    for shadow in plan.shadows:
        lineage.keep(lake, shadow.table)
    lake.fence()
    return [
        Applied(made.table.qualified, each.changes, made.table.qualified in rebuilt)
        for made, each in zip(plans, built, strict=True)
    ]


def _facts(lake: Lake, shadow: Shadow, snapshot: int) -> Facts:
    return Facts(
        snapshot=snapshot,
        existing=lake.columns().get(shadow.table.qualified),
        selected=lake.types_of(shadow.rows),
        marks=watermarks.read(lake, shadow.table.qualified),
        changed=(),
        history_is_kept=False,
    )
