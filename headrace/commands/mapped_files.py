"""What `headrace ingest file` does: any file by a mapping, with a preview, and a first mapping that is guessed."""

import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from threading import Event as Flag

import msgspec
import typer

from headrace.contracts.decoding import encode
from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.home import existing
from headrace.streaming.sources.file_source import Options
from headrace.streaming.sources.mapped.guessing import guess
from headrace.streaming.sources.mapped.ingest import ingest_file
from headrace.streaming.sources.mapped.map_files import answered, decode, load
from headrace.streaming.sources.mapped.map_writing import Draft
from headrace.streaming.sources.mapped.mapping import Mapping
from headrace.streaming.sources.mapped.plan import compile_mapping, known_topic, topic_of
from headrace.streaming.sources.mapped.preview import Preview, preview
from headrace.streaming.sources.outcomes import Counts
from headrace.terminal import printable

RAW_SHOWN = 200
_NO_MAPPING = Terminal(
    "Which column is which field?",
    remedy="Name a mapping by `--map`, or have a first one written by `--write-map FILE`.",
)


@dataclass(frozen=True)
class MappedFile:
    """The options of `ingest` that are for `file`."""

    topic: str | None
    map_name: str | None
    answers: list[str]
    preview: bool
    write_map: Path | None

    @property
    def only_looks(self) -> bool:
        """Whether nothing is published."""
        return self.preview or self.write_map is not None

    def check(self, options: Options, into: str | None) -> None:
        """Raise `Terminal` for an option of another source."""
        given = [option.name for option in fields(options) if getattr(options, option.name) is not None]
        if foreign := [*given, *(["into"] if into else [])]:
            names = ", ".join("--" + name.replace("_", "-") for name in foreign)
            raise Terminal(f"Source file has no option {names}.", remedy="Leave it out; the mapping says it.")

    def check_unused(self, source: str) -> None:
        """Raise `Terminal` where another source is given these options."""
        names = ("--topic", "--map", "--set", "--preview", "--write-map")
        values = (self.topic, self.map_name, self.answers, self.preview, self.write_map)
        if foreign := [name for name, value in zip(names, values, strict=True) if value]:
            raise Terminal(f"Source {source} has no option {', '.join(foreign)}.", remedy="Leave it out.")

    def look(self, path: Path, *, as_json: bool) -> None:
        """Show what becomes of the first records, by the mapping or by one that is guessed.

        Raises:
            Terminal: the mapping has open questions.
        """
        if self.map_name is not None:
            if self.write_map is not None:
                raise Terminal("`--map` and `--write-map` exclude each other.", remedy="Leave one of them out.")
            self._show(path, load(self.map_name, self.answers), as_json=as_json)
            return
        raw = answered({}, self.answers)
        draft = guess(path, known_topic(self.topic or raw.get("topic")), decode(raw, "--set").file)
        draft.answer(raw)
        text = draft.as_toml(path.name)
        if self.write_map is not None:
            _write(self.write_map, text)
            typer.echo(f"Wrote {self.write_map}.", err=True)
        elif not as_json:
            typer.echo("\n".join(map(printable, text.splitlines())))
            typer.echo("")
        if draft.questions:
            raise _open_questions(path, draft, self.write_map)
        if self.preview:
            self._show(path, decode(draft.as_tables(), "the guess"), as_json=as_json)

    def _show(self, path: Path, mapping: Mapping, *, as_json: bool) -> None:
        found = preview(path, compile_mapping(mapping, topic_of(self.topic, mapping)))
        typer.echo(msgspec.json.encode(_as_json(found)).decode() if as_json else _as_text(path, found))

    def ingest(self, path: Path, rate: float | None, stop: Flag, progress: Callable[[Counts], None] | None) -> Counts:
        """Publish the events of the file."""
        if self.map_name is None:
            raise _NO_MAPPING
        mapping = load(self.map_name, self.answers)
        topic = topic_of(self.topic, mapping)
        settings = existing(Settings(kafka_user="source"))
        return ingest_file(settings, path, topic, mapping, rate=rate, stop=stop, progress=progress)


def _open_questions(path: Path, draft: Draft, written: Path | None) -> Terminal:
    asked = [f"  {', '.join(entry.open_keys)}: {entry.question}" for entry in draft.questions]
    where = f"in {written}" if written else "in a mapping (`--write-map FILE`)"
    return Terminal(
        "\n".join(
            [f"{path.name} leaves {'a question' if len(asked) == 1 else f'{len(asked)} questions'} open:", *asked]
        )
        + "\n",
        remedy=f"Answer them {where}, or by `--set '{draft.questions[0].open_keys[0]}=…'`.",
    )


def _write(path: Path, text: str) -> None:
    try:
        # It may quote values of the file, which may be personal.
        with open(path, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as handle:
            handle.write(text)
    except FileExistsError:
        raise Terminal(f"{path} exists.", remedy="Name another file, or remove it.") from None
    except OSError as error:
        raise Terminal(f"{path} cannot be written: {error.strerror}.", remedy="Name another file.") from error


def _as_json(found: Preview) -> dict[str, object]:
    return {
        "format": found.format,
        "columns": found.columns,
        "whole_file": found.is_whole,
        "counts": found.counts.as_json(),
        "events": [msgspec.Raw(encode(each.event)) for each in found.events],
        "rejected": [
            {"row": each.position, "reason": each.reason, "raw": _shortened(each.raw)} for each in found.rejected
        ],
        "rejected_reasons": dict(found.counts.rejected_reasons),
        "ignored_reasons": dict(found.counts.ignored_reasons),
    }


def _as_text(path: Path, found: Preview) -> str:
    counts = found.counts
    lines = [f"{path.name}: {found.format}, columns {', '.join(found.columns)}", ""]
    for each in found.events:
        lines += [f"row {each.position}: {encode(each.event).decode()}", ""]
    for each in found.rejected:
        lines += [f"row {each.position} is rejected: {each.reason}", f"    {_shortened(each.raw)}", ""]
    read = "The whole file was read" if found.is_whole else "The file has more records"
    lines.append(
        f"{read}: {counts.input:,} inputs, {counts.accepted:,} accepted, {counts.rejected:,} rejected,"
        f" {counts.ignored:,} ignored. Nothing was published."
    )
    for name, reasons in (("rejected", counts.rejected_reasons), ("ignored", counts.ignored_reasons)):
        lines += [f"  {number:,} {name}: {reason}" for reason, number in reasons.most_common(10)]
    return "\n".join(map(printable, lines))


def _shortened(raw: bytes) -> str:
    text = raw[:RAW_SHOWN].decode(errors="backslashreplace")
    return text + "…" if len(raw) > RAW_SHOWN else text
