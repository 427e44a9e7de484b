"""Commands around the lander: `landing run`, `landing status`, `landing accept-gap`, `landing repair`, and `verify`."""

import json
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from headrace.contracts.exit_codes import ExitCode
from headrace.home import existing
from headrace.terminal import print_table, printable

if TYPE_CHECKING:
    from headrace.contracts.reconciliation import StagedAccount
    from headrace.operations.reconciliation.compare import (
        DeliveryResult,
        PartitionResult,
        ProcessorResult,
        Reconciliation,
    )
    from headrace.streaming.landing.apart import SetApart

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    landing = typer.Typer(name="landing", help="The lander: topics to Parquet, exactly once.", no_args_is_help=True)
    landing.command()(run)
    landing.command()(status)
    landing.command("accept-gap")(accept_gap)
    landing.command()(repair)
    landing.command("abort-transaction")(abort_transaction)
    app.add_typer(landing)
    app.command()(verify)


def run(
    index: Annotated[int, typer.Option(min=0, help="Stable number of this lander in its group.")] = 0,
) -> None:
    """Run one lander until it is stopped. `headrace up` runs it."""
    from headrace.streaming.runtime import process

    process.keep_memory()
    from headrace.contracts.settings import Settings
    from headrace.streaming.landing import positions
    from headrace.streaming.landing.lander import Lander
    from headrace.streaming.runtime import logs, metrics

    settings = existing(Settings())
    logs.configure(settings.log_level, console=sys.stderr.isatty())
    positions.prepare(settings.conninfo())
    metrics.serve(settings, settings.port("lander-metrics") + index)
    lander = Lander(settings, index=index)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: lander.stop())
    process.tune()
    lander.run()


def status(as_json: Json = False) -> None:
    """Show how far each topic has landed. Also lists stopped partitions and unreadable records."""
    from dataclasses import asdict

    from headrace.contracts.settings import Settings
    from headrace.stack import postgres_for_call
    from headrace.streaming.landing import apart, positions

    settings = existing(Settings())
    with postgres_for_call(settings):
        states = positions.topic_states(settings.conninfo())
        unreadable = apart.latest(settings.conninfo())
    if as_json:
        topics = [
            asdict(state) | {"set_apart": [asdict(each) for each in unreadable if each.topic == state.topic]}
            for state in states
        ]
        typer.echo(json.dumps(topics, default=str))
        return
    rows = [
        (
            state.topic,
            f"{state.rows_landed:,}",
            f"{state.quarantined:,}",
            "" if state.lag is None else f"{state.lag:,}",
            f"{state.last_commit_at:%Y-%m-%d %H:%M:%S}" if state.last_commit_at else "",
            "; ".join(state.stopped_partitions),
            f"{state.truncated_offsets:,}" if state.truncated_offsets else "",
        )
        for state in states
    ]
    print_table(("topic", "rows landed", "quarantined", "lag", "last commit", "stopped", "lost by Kafka"), rows)
    if unreadable:
        header = ("set apart", "offsets", "records", "bytes", "when", "reason")
        print_table(header, [_unreadable_row(each) for each in unreadable])


def _unreadable_row(each: "SetApart") -> tuple[str, ...]:
    return (
        f"{each.topic}-{each.partition}",
        f"{each.first_offset} to {each.next_offset - 1}",
        f"{each.records:,}",
        f"{each.bytes:,}",
        f"{each.set_apart_at:%Y-%m-%d %H:%M:%S}",
        each.reason,
    )


def accept_gap(topic: Annotated[str, typer.Argument(help="Topic with stopped partitions.")]) -> None:
    """Skip records that can never be landed. Landing resumes after them; `headrace verify` counts them as skipped."""
    from headrace.contracts.errors import Terminal
    from headrace.contracts.settings import Settings
    from headrace.streaming.landing import positions
    from headrace.streaming.runtime import clients
    from headrace.streaming.runtime.health import require_broker
    from headrace.streaming.runtime.topics import offset_bounds, topic_ids

    settings = existing(Settings())
    require_broker(settings)
    admin = clients.admin(settings)
    present = topic_ids(admin, [topic])
    if topic not in present:
        raise Terminal(f"The topic {topic} does not exist.", remedy="Create it first: `headrace up` does.")
    partitions = admin.list_topics(topic, timeout=20).topics[topic].partitions
    starts = {p: start for (_, p), (start, _) in offset_bounds(admin, [(topic, p) for p in partitions]).items()}
    with positions.connection(settings.conninfo()) as db:
        accepted = positions.accept_gap(db, topic, present[topic], starts)
    if not accepted:
        typer.echo(f"No partition of {topic} is stopped: nothing to accept.")
    for gap in accepted:
        end = "the end of the deleted topic" if gap.to_offset is None else f"{gap.to_offset - 1}"
        typer.echo(f"{topic}-{gap.partition}: skipped offsets {gap.from_offset} to {end} ({gap.reason})")


def abort_transaction(
    topic: Annotated[str, typer.Argument(help="Topic of the blocked partition.")],
    partition: Annotated[int, typer.Argument(min=0, help="Number of the partition.")],
) -> None:
    """Abort the transaction that blocks a partition. Its records will never be read.

    Use it if the program of the transaction will not return; `headrace status` and `headrace verify` list it.
    """
    from headrace.contracts.errors import Terminal
    from headrace.contracts.settings import Settings
    from headrace.streaming.runtime import open_transactions
    from headrace.streaming.runtime.health import quiet_admin, require_broker

    settings = existing(Settings())
    require_broker(settings)
    found = open_transactions.open_transactions(settings, quiet_admin(settings), [(topic, partition)])
    if not found:
        typer.echo(f"No transaction blocks {topic}-{partition}.")
        return
    if found[0].producer_id is None:
        raise Terminal(f"{found[0].reason}; the broker does not report its producer.", remedy=found[0].remedy)
    open_transactions.abort(settings, found[0])
    typer.echo(printable(f"{found[0].reason}: aborted."))


def repair() -> None:
    """Write missing or damaged landed files again from Kafka."""
    from headrace.contracts.settings import Settings
    from headrace.operations.repair import repair as repaired
    from headrace.stack import postgres_for_call
    from headrace.streaming.runtime import logs

    settings = existing(Settings())
    logs.configure(settings.log_level, console=sys.stderr.isatty())
    with postgres_for_call(settings):
        count = 0
        for file in repaired(settings):
            typer.echo(f"{file.path}: written again, {file.rows:,} rows")
            count += 1
    if not count:
        typer.echo("No landed file is damaged: nothing to repair.")


def verify(
    as_json: Json = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for records that are still in flight.")] = 30.0,
) -> None:
    """Check that no record is lost or duplicated, offset by offset.

    Compares every topic with the landed files and the warehouse. Exit 0 only if all of them agree.
    """
    from headrace.contracts.settings import Settings

    settings = existing(Settings(kafka_user="reader"))  # before the imports, which take seconds
    from headrace.operations.reconciliation.stack import reconcile_when_settled
    from headrace.stack import postgres_for_call
    from headrace.streaming.runtime import logs

    def report(result: "Reconciliation") -> None:
        pending, waiting = result.total("pending"), result.total("unregistered")
        unread = sum(row.pending for row in result.processors)
        typer.echo(
            f"waiting: {pending} records not landed yet, {waiting} not built yet, {unread} not processed yet", err=True
        )

    logs.configure(settings.log_level, console=sys.stderr.isatty())
    with postgres_for_call(settings):
        result = reconcile_when_settled(settings, wait_seconds=wait, on_wait=report)
    if as_json:
        typer.echo(json.dumps(result.as_json()))
    else:
        _print(result)
    raise typer.Exit(ExitCode.SUCCESS if result.complete else ExitCode.FAILURE)


_FAULTS = ("lost", "duplicated", "unknown", "altered", "chain_breaks", "damaged_files")
_DELIVERY_HEADER = ("delivered to", "live keys", "rows", "rejected", "behind", "remarks")
_STAGED_HEADER = ("loaded into", "rows", "rejected", "behind", "remarks")
_PROCESSOR_HEADER = ("processor", "read", "used", "produced", "dropped", "dead letters", "behind", "remarks")
_HEADER = ("partition", "held", "landed", "registered", "quarantined", "behind", "remarks")


def _print(result: "Reconciliation") -> None:
    rows = [_row(row) for row in result.partitions if row.held or row.landed or not row.complete]
    print_table(_HEADER, rows)
    if result.processors:
        print_table(_PROCESSOR_HEADER, [_processor_row(row) for row in result.processors])
    if result.deliveries:
        print_table(_DELIVERY_HEADER, [_delivery_row(row) for row in result.deliveries])
    if result.staged:
        print_table(_STAGED_HEADER, [_staged_row(row) for row in result.staged])
    if truncated := result.total("truncated"):
        typer.echo(
            f"Kafka lost {truncated:,} records after they had landed (see docs/explanation/landing.md)."
            " The warehouse keeps them."
        )
    if set_apart := result.total("set_apart"):
        typer.echo(f"{set_apart:,} records are set apart: no client can read them (`headrace landing status`).")
    for missing in result.missing_files:
        typer.echo(f"missing or damaged: {printable(missing)}")
    for held_back in result.held_back:
        typer.echo(printable(held_back))
    typer.echo(_verdict(result))


def _delivery_row(row: "DeliveryResult") -> tuple[str, ...]:
    named = [name for name in ("lost", "unexpected", "older") if getattr(row, name)]
    remarks = "; ".join(f"{getattr(row, name):,} {name}" for name in named)
    return (row.table, *(f"{count:,}" for count in (row.live, row.rows, row.rejected, row.pending)), remarks)


def _staged_row(row: "StagedAccount") -> tuple[str, ...]:
    named = [name for name in ("missing", "unexpected") if getattr(row, name)]
    remarks = "; ".join(f"{getattr(row, name):,} {name}" for name in named)
    return (row.table, f"{row.rows:,}", f"{row.rejected:,}", f"{row.pending:,}", remarks)


def _processor_row(row: "ProcessorResult") -> tuple[str, ...]:
    counts = (row.inputs, row.used, row.outputs, sum(row.drops.values()), sum(row.dead_letters.values()), row.pending)
    kinds = (row.drops, row.dead_letters, row.notes)
    remarks = [f"{count:,} {name}" for of_kind in kinds for name, count in of_kind.items()]
    if row.unaccounted:
        remarks.append(f"{row.unaccounted:,} unaccounted for")
    if row.missed:
        remarks.append(f"{row.missed:,} missed")
    return (f"{row.processor} {row.topic}-{row.partition}", *(f"{count:,}" for count in counts), "; ".join(remarks))


def _row(row: "PartitionResult") -> tuple[str, ...]:
    named = [name for name in (*_FAULTS, "expired", "skipped") if getattr(row, name)]
    remarks = [f"{getattr(row, name)} {name.replace('_', ' ')}" for name in named]
    if row.truncated:
        remarks.append(f"{row.truncated:,} landed, then lost by the broker: kept")
    remarks += [f"other records at offsets {first} to {end - 1} than landed" for first, end in row.altered_ranges[:3]]
    if row.set_apart:
        remarks.append(f"{row.set_apart:,} set apart: no client can read them")
    if row.stopped_reason:
        remarks.append(f"stopped: {row.stopped_reason}")
    counts = (row.held, row.landed, row.registered, row.quarantined, row.pending + row.unregistered)
    return (f"{row.topic}-{row.partition}", *(f"{count:,}" for count in counts), "; ".join(remarks))


def _verdict(result: "Reconciliation") -> str:
    if result.complete:
        return f"All adds up: {result.total('held')} records held, {result.total('landed')} landed and registered once."
    if not result.sound:
        faults = [f"{result.total(name)} {name.replace('_', ' ')}" for name in _FAULTS if result.total(name)]
        faults += [f"{row.processor} of {row.topic}-{row.partition}" for row in result.processors if not row.sound]
        faults += [f"{row.table}" for row in result.deliveries if not row.sound]
        faults += [f"{row.table}" for row in result.staged if row.missing or row.unexpected]
        restore = (
            f" Missing or altered: {', '.join(result.damaged)}. Run `headrace landing repair`; records that Kafka no"
            " longer has must come from a backup."
            if result.damaged
            else ""
        )
        if result.missing_files:
            faults.append(f"{len(result.missing_files)} files are missing or damaged (see above)")
            restore = restore or " Run `headrace landing repair`, then `headrace build`."
        if result.total("altered"):
            restore += (
                " Kafka lost records that had landed, and reused their offsets: a running lander lands the new records"
                " too (`headrace up`)."
            )
        return f"It does not add up: {', '.join(faults) or 'partitions are stopped'}.{restore}"
    behind = f"{result.total('pending')} records are not landed yet, {result.total('unregistered')} not registered yet"
    if on_their_way := sum(row.pending for row in (*result.deliveries, *result.staged)):
        behind += f", {on_their_way} not delivered or loaded yet"
    unread = Counter[str]()
    for row in result.processors:
        unread[row.processor] += row.pending
    if late := [f"{count:,} by {name}" for name, count in unread.items() if count]:
        behind += f", not processed yet: {', '.join(late)}"
    if result.held_back:
        behind += ", and open transactions block records (see above)"
    return f"Nothing is lost or duplicated, but {behind}. Check `headrace status`, then run `headrace build`."
