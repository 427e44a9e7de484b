"""`headrace warehouse`: snapshots, differences, rollback and maintenance of the warehouse."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.home import existing
from headrace.terminal import print_table

if TYPE_CHECKING:
    from headrace.warehouse.lake import Lake

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        name="warehouse", help="Snapshots, rollback and maintenance of the warehouse.", no_args_is_help=True
    )
    for command in (snapshots, diff, rollback, unhold, maintain, dbt):
        group.command()(command)
    app.add_typer(group)


@contextmanager
def _opened(read_only: bool = True) -> "Iterator[Lake]":
    from headrace.contracts.settings import Settings
    from headrace.stack import postgres_for_call
    from headrace.warehouse.lake import Lake

    settings = existing(Settings())
    with postgres_for_call(settings), Lake.open(settings, read_only=read_only) as lake:
        yield lake


def snapshots(
    table: Annotated[str | None, typer.Argument(help="Only snapshots that wrote to this table.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    as_json: Json = False,
) -> None:
    """List the snapshots that can be queried and restored."""
    from headrace.warehouse.time_travel.history import snapshots as read

    with _opened() as lake:
        found = read(lake, limit, table)
    if as_json:
        typer.echo(json.dumps([asdict(each) | {"at": each.at.isoformat()} for each in found], indent=2))
        return
    rows = [(str(each.id), f"{each.at:%Y-%m-%d %H:%M:%S}", ", ".join(each.tables), each.message) for each in found]
    print_table(("snapshot", "at (UTC)", "wrote to", ""), rows)


def diff(
    start: Annotated[str, typer.Argument(help="A snapshot's number, or a time in UTC such as '2026-11-01 12:00'.")],
    end: Annotated[str | None, typer.Argument(help="The same; now by default.")] = None,
    table: Annotated[str | None, typer.Option(help="Show the differing rows of this table.")] = None,
    as_json: Json = False,
) -> None:
    """Show which tables differ between two snapshots. Prints numbers of rows, or the rows of one table."""
    from headrace.commands.warehouse import print_table as print_rows
    from headrace.warehouse.lake.snapshots import snapshot_at
    from headrace.warehouse.time_travel.history import diff as compare
    from headrace.warehouse.time_travel.history import differing_rows

    with _opened() as lake:
        first = snapshot_at(lake.postgres(), start)
        last = lake.snapshot() if end is None else snapshot_at(lake.postgres(), end)
        if table is not None and not as_json:
            columns, rows = differing_rows(lake, table, first, last)
            print_rows(columns, ("VARCHAR",) * len(columns), iter(rows), typer.get_text_stream("stdout"))
            return
        found = compare(lake, first, last, [table] if table else None)
    if as_json:
        typer.echo(json.dumps({"from": first, "to": last, "tables": [asdict(each) for each in found]}, indent=2))
        return
    typer.echo(f"Snapshot {first} to {last}:" if found else f"Snapshots {first} and {last} have the same rows.")
    header = ("table", "rows before", "rows after", "inserted", "updated", "deleted")
    if found:
        print_table(header, [(each.table, *map(_count, list(asdict(each).values())[1:])) for each in found])


def _count(value: int | None) -> str:
    return "no table" if value is None else f"{value:,}"


def rollback(
    to: Annotated[str, typer.Argument(help="A snapshot's number, or a time in UTC such as '2026-11-01 12:00'.")],
    tables: Annotated[list[str] | None, typer.Argument(help="Tables to restore; all built tables by default.")] = None,
) -> None:
    """Restore built tables to an earlier snapshot. The restored rows are a new snapshot; `raw` is not changed."""
    from headrace.warehouse.lake.snapshots import snapshot_at
    from headrace.warehouse.publication.publish import publish
    from headrace.warehouse.time_travel.rollback import rollback as undo

    with _opened(read_only=False) as lake:
        done = undo(lake, snapshot_at(lake.postgres(), to), tables or None)
        publish(lake.settings, lake)
    for each in done.tables:
        what = "dropped" if each.dropped else f"{each.inserted:,} rows restored, {each.deleted:,} removed"
        typer.echo(f"{each.table}: {what}{'; held' if each.held else ''}")
    typer.echo(f"The tables are restored to snapshot {done.to}, also in {lake.settings.warehouse_file.name}.")
    if any(each.held for each in done.tables):
        typer.echo("A held table is built again after its file changes, or after `headrace warehouse unhold`.")


def unhold(
    tables: Annotated[list[str] | None, typer.Argument(help="Tables to release; all by default.")] = None,
) -> None:
    """End the holds that a rollback placed. The next build builds these tables again."""
    from headrace.warehouse.time_travel.holds import release as end_holds

    with _opened(read_only=False) as lake:
        released = end_holds(lake, tables or None)
    typer.echo(f"No longer held: {', '.join(released)}." if released else "Nothing was held.")


def maintain(as_json: Json = False) -> None:
    """Merge small files and expire old snapshots. Dagster does it every hour."""
    from headrace.warehouse.maintenance.maintain import maintain as run

    with _opened(read_only=False) as lake:
        done = run(lake)
    if as_json:
        typer.echo(json.dumps(asdict(done), indent=2))
        return
    typer.echo(
        f"{done.merged_files} small files merged, {done.expired_snapshots} snapshots expired,"
        f" {done.deleted_files} files and {done.deleted_landing_files} landed files without a commit deleted."
    )
    for name in done.rebuilt:
        typer.echo(f"{name} lags behind the oldest snapshot: its next build is a full one.")
    for when, of in (("before", done.before), ("after", done.after)):
        typer.echo(f"{when}: {of.files:,} files, {of.bytes / 1e6:,.1f} MB, {of.snapshots:,} snapshots")


def dbt(
    folder: Annotated[Path, typer.Argument(help="Folder of the dbt project; created if it does not exist.")],
) -> None:
    """Write `sources.yml` and `profiles.yml`, with which dbt-duckdb reads the published tables."""
    from headrace.contracts.settings import Settings
    from headrace.warehouse.catalog.dbt import write
    from headrace.warehouse.tables import all_tables

    settings = existing(Settings())
    for path in write(folder, all_tables(), settings.warehouse_file.absolute()):
        typer.echo(f"Wrote {path}.")
