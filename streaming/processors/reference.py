"""`docs/reference/processors.md`: what each processor reads, writes and remembers, from its declarations."""

from datetime import timedelta

from headrace.streaming.processors.registry import all_processors
from headrace.streaming.runtime.processing.processor import Processor
from headrace.streaming.runtime.processing.tables import tables_of

_INTRODUCTION = """Generated from the classes in `processors/` by `make docs`; edit these, not this page.

The state of a processor consists of tables. If an entry has a timer, it is due after that much stream time; then the
entry is deleted, unless it was used since. [Processing](../explanation/processing.md) explains the rest."""


def processors_page() -> str:
    """The page, in the order of the registry."""
    return (
        "\n\n".join(["# Processors", _INTRODUCTION, *(_section(make()) for make in all_processors().values())]) + "\n"
    )


def _section(processor: Processor) -> str:
    inputs = ", ".join(f"`{topic}`" for topic in processor.inputs)
    rows = [f"| `{each.name}` | {each.about} | {_length(each.timer)} |" for each in tables_of(processor)]
    return "\n".join(
        [
            f"## {processor.name}",
            "",
            f"From {inputs} to `{processor.output}`. Version of the state: {processor.state_version}.",
            "",
            "| table | an entry | timer |",
            "|---|---|---|",
            *rows,
        ]
    )


def _length(timer: timedelta | None) -> str:
    if timer is None:
        return ""
    return f"{timer.days} days" if timer.days else f"{timer // timedelta(minutes=1)} minutes"
