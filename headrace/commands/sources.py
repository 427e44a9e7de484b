"""Commands that produce events: a live `source`, `ingest` of a file, `simulate` a shop."""

import json
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.contracts.exit_codes import ExitCode
from headrace.contracts.settings import Settings
from headrace.home import existing

if TYPE_CHECKING:
    from headrace.streaming.sources.outcomes import Counts

PROGRESS_SECONDS = 1.0
FILE = "file"
"""The source that reads any file by a mapping."""

Rate = Annotated[float | None, typer.Option(min=0.001, help="Maximum events per second; unlimited by default.")]
Json = Annotated[bool, typer.Option("--json", help="Print the counts as one JSON object.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(source)
    app.command("sources")(list_sources)
    app.command()(ingest)
    app.command()(simulate)


def source(
    name: Annotated[
        str,
        typer.Argument(
            help="Such as `access-log`; `headrace sources` lists them. Also `module:class` on the Python path."
        ),
    ],
    status: Annotated[
        bool, typer.Option("--status", help="Print the position and the counts of each stream, and exit.")
    ] = False,
) -> None:
    """Run a live source until it is stopped. `headrace up` runs those in HEADRACE_SOURCES."""
    from headrace.streaming.runtime import logs, metrics
    from headrace.streaming.sources.live.registry import configured, live_source, open_source

    settings = existing(Settings())
    logs.configure(settings.log_level, console=sys.stderr.isatty())
    if status:
        _show_positions(settings, name)
        return
    names = configured(settings)
    service = live_source(name).service
    if service is not None:
        metrics.serve(settings, _metrics_port(settings, name, names))
        service.serve(settings, _stop_on_signals())
        return
    from headrace.streaming.runtime import process as tuning
    from headrace.streaming.sources.live.runner import Runner

    runner = Runner(settings, open_source(settings, name), _stop_on_signals())
    metrics.serve(settings, _metrics_port(settings, name, names))
    tuning.tune()
    runner.run()


def list_sources(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List live sources, file sources and ready mappings."""
    from headrace.streaming.sources.ingest import file_sources
    from headrace.streaming.sources.live.registry import live_sources
    from headrace.streaming.sources.mapped.map_files import ready_names
    from headrace.terminal import print_table

    found = [
        *(("live", name, f"headrace source {name}") for name in live_sources()),
        *(("file", name, f"headrace ingest {name} FILE") for name in file_sources()),
        *(("mapping", name, f"headrace ingest file FILE --map {name}") for name in ready_names()),
    ]
    if as_json:
        typer.echo(json.dumps([dict(zip(("kind", "name", "command"), each, strict=True)) for each in found]))
    else:
        print_table(("kind", "name", "command"), found)


def _metrics_port(settings: Settings, name: str, names: list[str]) -> int:
    """Each source of the stack has its own port, and so has each other source that is run manually."""
    from headrace.streaming.sources.live.registry import live_sources

    known = list(live_sources())
    by_hand = len(names) + (known.index(name) if name in known else len(known))
    return settings.port("source-metrics") + (names.index(name) if name in names else by_hand)


def _show_positions(settings: Settings, name: str) -> None:
    from headrace.streaming.sources.live import positions
    from headrace.streaming.sources.live.registry import live_sources

    declared = live_sources().get(name)
    if declared is not None and declared.service is not None:
        typer.echo(f"{name} receives what is sent to it, and has no position: its metrics count its inputs.", err=True)
        return
    entries = positions.read(settings, name)
    if not entries:
        typer.echo(f"The source {name} has not committed anything yet.", err=True)
    for stream, entry in sorted(entries.items()):
        shown = {
            "stream": stream,
            "input": entry.inputs,
            "accepted": entry.accepted,
            "rejected": entry.rejected,
            "ignored": entry.ignored,
            "position": entry.position,
        }
        typer.echo(json.dumps(shown))


def ingest(
    source: Annotated[str, typer.Argument(help="`file` for any file, or a name that `headrace sources` lists.")],
    path: Annotated[Path, typer.Argument(help="The file; for `labelled` also the folder of texts and labels.")],
    rate: Rate = None,
    follow: Annotated[bool, typer.Option("--follow", help="access-log: wait for more, as `tail -F` does.")] = False,
    to: Annotated[str | None, typer.Option(help="labelled: `social_media` or `customer_feedback`.")] = None,
    classes: Annotated[
        int | None, typer.Option(min=2, max=3, help="labelled: 2 or 3, if the file does not say.")
    ] = None,
    station: Annotated[str | None, typer.Option(help="weather: name of the place, if the file does not say.")] = None,
    event_time: Annotated[
        datetime | None, typer.Option(help="reviews, labelled: the time of all events (UTC), instead of 2000-01-01.")
    ] = None,
    date_format: Annotated[
        str | None, typer.Option(help="online-retail: `dmy` or `mdy` for dates in numbers, if the file does not say.")
    ] = None,
    into: Annotated[
        str | None, typer.Option(help="online-retail: `shop-db`, the shop's database, instead of the topics.")
    ] = None,
    topic: Annotated[str | None, typer.Option(help="file: the topic, if the mapping does not name it.")] = None,
    map_name: Annotated[
        str | None, typer.Option("--map", help="file: a mapping file, or the name of a built-in mapping.")
    ] = None,
    answers: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="file: override a key of the mapping."),
    ] = None,
    preview: Annotated[
        bool, typer.Option("--preview", help="file: show the first events, and what is rejected; publish nothing.")
    ] = False,
    write_map: Annotated[Path | None, typer.Option(help="file: guess a mapping, and write it to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Publish the events of a file, and count them."""
    from headrace.commands.mapped_files import MappedFile
    from headrace.streaming.sources.delivery import CountedError
    from headrace.streaming.sources.file_source import Options
    from headrace.streaming.sources.ingest import ingest as run

    options = Options(
        follow=follow or None,
        to=to,
        classes=2 if classes == 2 else 3 if classes else None,
        station=station,
        event_time=event_time.replace(tzinfo=UTC) if event_time else None,
        date_format=_date_format(date_format),
    )
    mapped = MappedFile(topic, map_name, answers or [], preview, write_map)
    if source == FILE:
        mapped.check(options, into)
        if mapped.only_looks:
            mapped.look(path, as_json=as_json)
            return
    else:
        mapped.check_unused(source)
    stop = _stop_on_signals()
    try:
        if source == FILE:
            counts = mapped.ingest(path, rate, stop, _progress())
        elif into is None:
            counts = run(
                existing(Settings(kafka_user="source")),
                source,
                path,
                options=options,
                rate=rate,
                stop=stop,
                progress=_progress(),
            )
        else:
            counts = _fill(into, source, path, options, rate, stop)
    except CountedError as error:
        _show(error.counts, as_json=as_json)
        raise
    _show(counts, as_json=as_json)
    # With --follow a signal is the normal end; otherwise it is an interruption.
    if stop.is_set() and not follow:
        raise typer.Exit(ExitCode.INTERRUPTED)


def _fill(into: str, source: str, path: Path, options: Any, rate: float | None, stop: Flag) -> "Counts":
    """Ingest into a database, from which change data capture publishes to the topics."""
    from headrace.contracts.errors import Terminal
    from headrace.streaming.sources.ingest import file_sources, outcomes_of

    settings = existing(Settings())
    outcomes = outcomes_of(settings, source, path, options, stop)
    fill = file_sources()[source].into.get(into)
    if fill is None or rate is not None:
        able = [f"{name} into {database}" for name, each in file_sources().items() for database in each.into]
        raise Terminal(
            f"{source} cannot be ingested into {into}{'' if fill is None else ' at a rate'}.",
            remedy=f"Possible is {', '.join(able)}, without `--rate`." if able else "Leave `--into` out.",
        )
    return fill(settings, outcomes, source=source, origin=path.name, stop=stop, progress=_progress())


def simulate(
    rate: Rate = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="Live: stop after this many seconds.")] = None,
    days: Annotated[float | None, typer.Option(min=0, help="A batch: this many days of history, at once.")] = None,
    events: Annotated[int | None, typer.Option(min=0, help="Stop after this many events.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same events, byte by byte.")] = None,
    start: Annotated[
        datetime | None, typer.Option(help="Time of the first event (UTC). Default of a live run without --seed: now.")
    ] = None,
    orders: Annotated[
        Path | None, typer.Option(help="An order book (as for `ingest online-retail`) to send as an access log.")
    ] = None,
    date_format: Annotated[str | None, typer.Option(help="--orders: as for `ingest online-retail`.")] = None,
    as_json: Json = False,
) -> None:
    """Simulate a shop: visits, orders, posts, feedback, weather.

    Sends events live until Ctrl-C, or a batch of history with --days.
    """
    from headrace.streaming.sources.simulation import simulator

    stop = _stop_on_signals()
    simulated = simulator()
    plan = simulated.Plan(
        rate=rate,
        seconds=seconds,
        days=days,
        events=events,
        seed=seed,
        start=start.replace(tzinfo=UTC) if start else None,
        orders=orders,
        date_format=_date_format(date_format),
    )
    counts = simulated.simulate(existing(Settings(kafka_user="source")), plan, stop=stop, progress=_progress())
    _show(counts, as_json=as_json)
    if stop.is_set() and not plan.endless:
        raise typer.Exit(ExitCode.INTERRUPTED)


def _date_format(given: str | None) -> Any:
    if given is not None and given not in ("mdy", "dmy", "ymd"):
        raise typer.BadParameter("choose dmy, mdy or ymd", param_hint="--date-format")
    return given


def _stop_on_signals() -> Flag:
    """Set on the first SIGINT or SIGTERM, so that sent events are flushed and counted; a second signal ends at once."""
    stop = Flag()

    def handle(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handle)
    return stop


def _progress() -> "Callable[[Counts], None] | None":
    """A progress line on standard error, every second, on a terminal."""
    if not sys.stderr.isatty():
        return None
    shown = time.monotonic()

    def show(counts: "Counts") -> None:
        nonlocal shown
        if (now := time.monotonic()) - shown >= PROGRESS_SECONDS:
            shown = now
            sys.stderr.write(f"\r{counts.input:,} read, {counts.accepted:,} accepted, {counts.rejected:,} rejected")
            sys.stderr.flush()

    return show


def _show(counts: "Counts", *, as_json: bool) -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    if as_json:
        typer.echo(json.dumps(counts.as_json()))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("input", f"{counts.input:,}")
    table.add_row("accepted", f"{counts.accepted:,}")
    for topic, number in sorted(counts.by_topic.items()):
        table.add_row(f"  to {topic}", f"{number:,}")
    for name, reasons in (("rejected", counts.rejected_reasons), ("ignored", counts.ignored_reasons)):
        table.add_row(name, f"{reasons.total():,}")
        for reason, number in reasons.most_common(5):
            table.add_row(f"  {reason}", f"{number:,}")
    Console().print(table, markup=False)
