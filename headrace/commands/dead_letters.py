"""The commands around dead letters: `dlq list`, `dlq show`, `dlq replay`."""

import json
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.home import existing
from headrace.terminal import cell, print_table, printable

if TYPE_CHECKING:
    from headrace.contracts.settings import KafkaUser, Settings
    from headrace.streaming.runtime.dead_letters.letters import Criteria, Letter

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TopicName = Annotated[str, typer.Argument(help="A topic, such as `orders`; `orders.dlq` means the same.")]
Reason = Annotated[str | None, typer.Option(help="Only where the reason contains this text.")]
Stage = Annotated[str | None, typer.Option(help="Only where the stage contains this, such as `order-extractor`.")]
Since = Annotated[datetime | None, typer.Option(help="Only letters from this time on (UTC).")]
Until = Annotated[datetime | None, typer.Option(help="Only letters before this time (UTC).")]
Offsets = Annotated[list[int] | None, typer.Option("--offset", min=0, help="Only this letter. Can be repeated.")]

_SHOWN_CHARACTERS = 20_000
_COMMON_REASONS = 3


def register(app: typer.Typer) -> None:
    """Add the commands."""
    dlq = typer.Typer(name="dlq", help="Dead letters: list rejected records, and replay them.", no_args_is_help=True)
    dlq.command("list")(list_letters)
    dlq.command()(show)
    dlq.command()(replay)
    app.add_typer(dlq)


def list_letters(
    topic: Annotated[str | None, typer.Argument(help="A topic, such as `orders`; all topics by default.")] = None,
    reason: Reason = None,
    stage: Stage = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of letters of one topic, latest first.")] = 50,
    as_json: Json = False,
) -> None:
    """Count the dead letters of every topic, or list those of one. Only `dlq show` shows payloads."""
    from headrace.contracts.topics import EVENT_TOPICS
    from headrace.streaming.runtime.dead_letters.letters import topic_of

    wanted = _criteria(reason, stage, since, until)
    settings = _settings()
    if topic is None:
        _print_overviews([_overview(settings, each.name, wanted) for each in EVENT_TOPICS], as_json=as_json)
        return
    _print_letters(settings, topic_of(topic), wanted, limit=limit, as_json=as_json)


def show(
    topic: TopicName,
    offset: Annotated[int, typer.Argument(min=0, help="Its offset, as `dlq list` shows it.")],
    raw: Annotated[bool, typer.Option("--raw", help="Write only the payload, unchanged, to standard output.")] = False,
    as_json: Json = False,
) -> None:
    """Show one dead letter with its payload and headers."""
    from headrace.streaming.runtime.dead_letters.letters import read_one, topic_of

    letter = read_one(_settings(), topic_of(topic), offset)
    if raw:
        sys.stdout.buffer.write(letter.value or b"")
        return
    shown: dict[str, Any] = _row(letter) | {
        "detail": letter.detail,
        "key": _text(letter.key),
        "headers": {name: _text(value) for name, value in letter.headers},
        "payload": _text(letter.value),
    }
    if as_json:
        typer.echo(json.dumps(shown))
        return
    for name, value in shown.items():
        if name == "headers":
            typer.echo("headers:")
            for header, text in shown["headers"].items():
                typer.echo(f"  {printable(header)}: {_shown(str(text))}")
        elif value is not None:
            typer.echo(f"{name}: {_shown(str(value))}")


def replay(
    topic: TopicName,
    offset: Offsets = None,
    reason: Reason = None,
    stage: Stage = None,
    since: Since = None,
    until: Until = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report what would be replayed.")] = False,
    as_json: Json = False,
) -> None:
    """Send dead letters into their topic again. Each is sent at most once, and only if the contract accepts it now."""
    from headrace.streaming.runtime.dead_letters import replay as replaying
    from headrace.streaming.runtime.dead_letters.letters import topic_of

    wanted = _criteria(reason, stage, since, until, offset)
    result = replaying.replay(_settings("replay"), topic_of(topic), wanted, dry_run=dry_run)
    if as_json:
        report = {"topic": result.topic, "dry_run": dry_run, "replayed": result.replayed, "left": dict(result.left)}
        typer.echo(json.dumps(report))
        return
    done = "would be replayed" if dry_run else "replayed"
    typer.echo(f"{result.replayed:,} dead letters of {result.topic} {done}.")
    for why, count in result.left.most_common():
        typer.echo(f"{count:,} not: {printable(why)}.")


def _settings(kafka_user: "KafkaUser" = "reader") -> "Settings":
    """The settings, after checking that a broker answers: clients would otherwise retry without end."""
    from headrace.contracts.settings import Settings
    from headrace.streaming.runtime.health import require_broker

    settings = existing(Settings(kafka_user=kafka_user))
    require_broker(settings)
    return settings


def _criteria(
    reason: str | None,
    stage: str | None,
    since: datetime | None,
    until: datetime | None,
    offsets: list[int] | None = None,
) -> "Criteria":
    from headrace.streaming.runtime.dead_letters.letters import Criteria

    return Criteria(reason, stage, _utc(since), _utc(until), frozenset(offsets) if offsets else None)


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC)


def _overview(settings: "Settings", topic: str, wanted: "Criteria") -> dict[str, Any]:
    from headrace.streaming.runtime import clients
    from headrace.streaming.runtime.dead_letters.letters import bounds, read
    from headrace.streaming.runtime.dead_letters.replay import noted_offsets

    admin = clients.admin(settings)
    topic_id, start, end = bounds(admin, topic)
    done = noted_offsets(settings, admin, topic_id) if end > start else set[int]()
    overview: dict[str, Any] = {"topic": topic, "letters": 0, "replayed": 0, "oldest": None, "newest": None}
    reasons = Counter[str]()
    for letter in read(settings, topic, start, end):
        if wanted.accept(letter):
            overview["letters"] += 1
            overview["replayed"] += letter.offset in done
            overview["oldest"], overview["newest"] = overview["oldest"] or _time(letter.at), _time(letter.at)
            reasons[f"{letter.stage}: {letter.reason}"] += 1
    return overview | {"reasons": dict(reasons.most_common())}


def _print_overviews(overviews: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(overviews))
        return
    rows: list[tuple[str, ...]] = []
    for overview in overviews:
        reasons = [f"{count:,} {reason}" for reason, count in overview["reasons"].items()]
        more = [f"and {len(reasons) - _COMMON_REASONS} more reasons"] if len(reasons) > _COMMON_REASONS else []
        counts = (f"{overview['letters']:,}", f"{overview['replayed']:,}")
        text = cell("; ".join([*reasons[:_COMMON_REASONS], *more]))
        rows.append((overview["topic"], *counts, overview["oldest"] or "", overview["newest"] or "", text))
    print_table(("topic", "letters", "replayed", "oldest", "newest", "reasons"), rows)


def _print_letters(settings: "Settings", topic: str, wanted: "Criteria", *, limit: int, as_json: bool) -> None:
    from collections import deque

    from headrace.streaming.runtime import clients
    from headrace.streaming.runtime.dead_letters.letters import bounds, read
    from headrace.streaming.runtime.dead_letters.replay import noted_offsets

    admin = clients.admin(settings)
    topic_id, start, end = bounds(admin, topic)
    done = noted_offsets(settings, admin, topic_id)
    count, latest = 0, deque[dict[str, Any]](maxlen=limit)
    for letter in read(settings, topic, start, end):
        if wanted.accept(letter):
            count += 1
            latest.append(_row(letter) | {"replayed": letter.offset in done})
    if as_json:
        typer.echo(json.dumps(list(latest)))
        return
    header = ("offset", "at", "stage", "reason", "origin", "bytes", "replayed")
    print_table(header, [tuple(_cell(row[name]) for name in header) for row in latest])
    if count > len(latest):
        typer.echo(f"The latest {len(latest):,} of {count:,}; --limit shows more.")


def _row(letter: "Letter") -> dict[str, Any]:
    """A letter without its payload."""
    return {
        "topic": letter.topic,
        "offset": letter.offset,
        "at": _time(letter.at),
        "stage": letter.stage,
        "reason": letter.reason,
        "origin": letter.origin,
        "bytes": letter.size,
    }


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return f"{value:,}" if isinstance(value, int) else cell(str(value))


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="backslashreplace")


def _shown(text: str) -> str:
    shown = printable(text)
    rest = len(shown) - _SHOWN_CHARACTERS
    return shown if rest <= 0 else f"{shown[:_SHOWN_CHARACTERS]}… ({rest:,} more characters; --raw prints all)"
