"""`headrace plan`: what changed tables would have, before they are built; and replacing them at once."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.contracts.exit_codes import ExitCode
from headrace.home import existing
from headrace.terminal import printable

if TYPE_CHECKING:
    from headrace.warehouse.shadow.applying import Applied
    from headrace.warehouse.shadow.building import Shadow, ShadowPlan


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(plan)


def plan(
    tables: Annotated[
        list[str] | None, typer.Argument(help="Tables such as marts.sales_daily; all changed ones by default.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Replace the tables, all at once, after a question.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what changed tables would have, before they are built.

    Exit 1 if one cannot be built. A table has changed if its file is not the one that it was built by. Tables that
    read a changed table are built as well. Nothing is written to the warehouse without --apply.
    """
    from headrace.contracts.settings import Settings
    from headrace.stack import postgres_for_call
    from headrace.warehouse.lake import Lake
    from headrace.warehouse.shadow.applying import apply as replace
    from headrace.warehouse.shadow.building import make
    from headrace.warehouse.tables import all_tables

    settings = existing(Settings())
    with postgres_for_call(settings), Lake.open(settings, read_only=not apply) as lake:
        found = make(lake, all_tables(), tables or ())
        if not as_json:
            _print(found)
        done: list[Applied] = []
        if apply and found.shadows and not found.problems:
            if not yes:
                typer.confirm(f"Replace {_tables(len(found.shadows))}?", abort=True, err=as_json)
            done = replace(lake, found)
    if as_json:
        typer.echo(json.dumps(_document(found, done), indent=2))
    for each in done if not as_json else ():
        again = ", built again because its inputs had changed" if each.is_rebuilt else ""
        inserted, updated, deleted = each.changes
        typer.echo(f"{each.table}: {inserted} rows inserted, {updated} updated, {deleted} deleted{again}")
    raise typer.Exit(ExitCode.FAILURE if found.problems else ExitCode.SUCCESS)


def _print(found: "ShadowPlan") -> None:
    for each in found.shadows:
        for line in _lines(each):
            typer.echo(printable(line))
    for name in found.held:
        typer.echo(f"{name}: held, because it was rolled back; see `headrace warehouse unhold`")
    for name in found.removed:
        typer.echo(f"{name}: has no file any more; it stays as it is")
    if not found.shadows:
        typer.echo("No table has changed.")


def _lines(shadow: "Shadow") -> list[str]:
    from headrace.warehouse.query import as_text

    of = shadow.differences
    lines = [f"{shadow.table.qualified} ({shadow.reason})"]
    if shadow.problem is not None:
        lines.append(f"    {shadow.problem}")
    if not shadow.is_built:
        return lines
    counts = f"{of.added} added, {of.removed} removed, {of.changed} changed" if of.any else "no difference"
    lines.append(f"    rows: {of.before} before, {of.after} after: {counts}")
    lines += [f"    new column {name}" for name in of.new_columns]
    lines += [f"    dropped column {name}" for name in of.dropped_columns]
    lines += [f"    {name}: {before} becomes {after}" for name, (before, after) in of.retyped.items()]
    lines += [f"    {name}: {count} values differ" for name, count in of.values.items()]
    for row in of.examples:
        values = ", ".join(f"{name} {as_text(old)} -> {as_text(new)}" for name, (old, new) in row.values.items())
        lines.append(f"      ~ {_key(row.key)}: {values}")
    lines += [f"      + {_key(key)}" for key in of.added_examples]
    lines += [f"      - {_key(key)}" for key in of.removed_examples]
    if shadow.is_behind and of.any:
        lines.append("    Some of this comes from rows that have not been built yet.")
    return lines


def _key(key: "Any") -> str:
    from headrace.warehouse.query import as_text

    return ", ".join(f"{name}={as_text(value)}" for name, value in key.items())


def _document(found: "ShadowPlan", done: "list[Applied]") -> dict[str, Any]:
    from headrace.warehouse.query import as_text

    def shown(values: Any) -> dict[str, str]:
        return {name: as_text(value) for name, value in values.items()}

    tables: list[dict[str, Any]] = []
    for each in found.shadows:
        of = each.differences
        tables.append(
            {
                "table": each.table.qualified,
                "reason": each.reason,
                "problem": each.problem,
                "is_behind": each.is_behind,
                "rows_before": of.before,
                "rows_after": of.after,
                "added": of.added,
                "removed": of.removed,
                "changed": of.changed,
                "new_columns": of.new_columns,
                "dropped_columns": of.dropped_columns,
                "retyped": {name: {"before": old, "after": new} for name, (old, new) in of.retyped.items()},
                "values_that_differ": of.values,
                "examples": {
                    "added": [shown(key) for key in of.added_examples],
                    "removed": [shown(key) for key in of.removed_examples],
                    "changed": [
                        {
                            "key": shown(row.key),
                            "before": {name: as_text(old) for name, (old, _) in row.values.items()},
                            "after": {name: as_text(new) for name, (_, new) in row.values.items()},
                        }
                        for row in of.examples
                    ],
                },
            }
        )
    applied = [{"table": each.table, **each.changes._asdict(), "is_rebuilt": each.is_rebuilt} for each in done]
    return {
        "snapshot": found.snapshot,
        "tables": tables,
        "held": found.held,
        "removed": found.removed,
        "applied": applied,
    }


def _tables(count: int) -> str:
    return "1 table" if count == 1 else f"{count} tables"
