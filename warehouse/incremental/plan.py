"""The plan of a table's build, made from facts by one pure function before anything is computed.

Nothing here reads or writes the lake. `headrace.warehouse.incremental.engine` executes the plan.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from headrace.warehouse.lake.target import Target
from headrace.warehouse.lake.watermarks import Watermark
from headrace.warehouse.tables import REASONS, Table

Kind = Literal["full", "append", "groups", "nothing"]
"""All rows; the new rows of the input; the groups that a change affects; or no rows at all."""
READ_AHEAD = 1_000
"""A watermark is moved without any change once it lags this many snapshots, so that old snapshots can expire."""


@dataclass(frozen=True)
class Facts:
    """The state of a table in the lake before its build.

    `existing` are its columns, None if it does not exist, `selected` those of its SELECT. `changed` are the tables that
    were changed since the oldest watermark; `history_is_kept` is true if no snapshot since then has expired.
    """

    snapshot: int
    existing: Mapping[str, str] | None
    selected: Mapping[str, str]
    marks: Mapping[str, Watermark]
    changed: Collection[str]
    history_is_kept: bool


@dataclass(frozen=True)
class Input:
    """A table that is read as of snapshot `until`: its changes after snapshot `since`, or all rows if that is None."""

    table: str
    since: int | None
    until: int


@dataclass(frozen=True)
class Plan:
    """A build of one table.

    `changed` are the inputs whose changes are read, which affect the groups to compute. `targets` are the table and,
    where it has one, its quarantine. The table is created, or its descriptions are written again, before its rows are.
    `redefined`: its file is not the one that it was built by. A plan that `leaves_out_failing` computes nothing of what
    `headrace.warehouse.incremental.failing_groups` found.
    """

    table: Table
    kind: Kind
    reason: str
    snapshot: int
    inputs: tuple[Input, ...]
    changed: tuple[Input, ...]
    targets: tuple[Target, ...]
    creates: bool
    replaces: bool
    describes: bool
    repartitions: bool
    redefined: bool
    moves_watermarks: bool
    leaves_out_failing: bool

    def __str__(self) -> str:
        groups = f" of ({', '.join(self.table.group_by)})" if self.kind == "groups" else ""
        read = ", ".join(
            f"{each.table} {'' if each.since is None else each.since}..{each.until}" for each in self.inputs
        )
        return f"{self.table.qualified}: {self.kind}{groups}, {self.reason}; reads {read}"

    def watermarks(self) -> list[Watermark]:
        """The watermarks of the table after the plan is executed."""
        definition, documentation = self.table.definition, self.table.documentation
        return [Watermark(each.table, each.until, definition, documentation) for each in self.inputs]


def make_plan(table: Table, facts: Facts, *, full: bool, leaves_out_failing: bool = False) -> Plan:
    """Decide how a table is updated.

    Everything is read where `full`, on the first build, after the table's SQL or columns changed, after an input was
    created again, and where snapshots since its last build have expired.
    """
    exists, fits = facts.existing is not None, facts.existing == facts.selected
    as_built = is_as_built(table, facts.marks) and facts.history_is_kept
    described = is_described(table, facts.marks)
    reasons = {
        "a full build was asked for": full,
        "the table does not exist": not exists,
        "its columns changed": not fits,
        "its file changed, or its inputs cannot be followed": not as_built,
    }
    why_full = next((reason for reason, applies in reasons.items() if applies), None)
    since = None if why_full else {name: facts.marks[name].snapshot_id for name in table.inputs}
    inputs = tuple(Input(name, since[name] if since else None, facts.snapshot) for name in table.inputs)
    changed = tuple(
        each
        for each in inputs
        if each.since is not None and each.since < facts.snapshot and each.table in facts.changed
    )
    kind: Kind = "full" if why_full else "nothing" if not changed else "append" if table.event_key else "groups"
    redefined = not (fits and as_built and described)
    lags = since is not None and facts.snapshot - min(since.values()) >= READ_AHEAD
    return Plan(
        table=table,
        kind=kind,
        reason=why_full or (f"{', '.join(each.table for each in changed)} changed" if changed else "no input changed"),
        snapshot=facts.snapshot,
        inputs=inputs,
        changed=changed,
        targets=_targets(table, dict(facts.selected)),
        creates=not fits,
        replaces=exists and not fits,
        describes=fits and not described,
        repartitions=fits and not as_built,
        redefined=redefined,
        moves_watermarks=redefined or lags,
        leaves_out_failing=leaves_out_failing,
    )


def is_as_built(table: Table, marks: Mapping[str, Watermark]) -> bool:
    """Whether the table was built from all its inputs by the current definition of its rows."""
    return all(name in marks and marks[name].definition == table.definition for name in table.inputs)


def is_described(table: Table, marks: Mapping[str, Watermark]) -> bool:
    """Whether the table's descriptions match its file."""
    return all(mark.documentation == table.documentation for mark in marks.values())


def _targets(table: Table, columns: dict[str, str]) -> tuple[Target, ...]:
    target = Target(table.qualified, table.identity, columns, table.partition)
    if table.quarantine is None:
        return (target,)
    return target, Target(table.quarantine, table.identity, columns | {REASONS: "VARCHAR[]"}, table.partition)
