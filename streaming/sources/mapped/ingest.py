"""From a path and a mapping to counts: publishes the events of a file, as every source does."""

from pathlib import Path
from threading import Event as Flag

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.contracts.topic import Topic
from headrace.streaming.runtime.publishing import Publisher
from headrace.streaming.sources.delivery import Progress, UnrecognizedInput, deliver, require_recognized
from headrace.streaming.sources.mapped.events import Mapper
from headrace.streaming.sources.mapped.mapping import Mapping
from headrace.streaming.sources.mapped.opening import open_table
from headrace.streaming.sources.mapped.plan import Plan, compile_mapping
from headrace.streaming.sources.mapped.records import Table
from headrace.streaming.sources.outcomes import Counts
from headrace.streaming.sources.pseudonyms import load_key, pseudonymizer

SOURCE = "file"


def ingest_file(
    settings: Settings,
    path: Path,
    topic: Topic,
    mapping: Mapping,
    *,
    rate: float | None = None,
    stop: Flag | None = None,
    progress: Progress | None = None,
) -> Counts:
    """Publish the events of a file, at most `rate` a second, until its end or until `stop` is set.

    A file that is ingested again gives the same events with the same ids.

    Raises:
        IncompleteInput: the file could not be read to its end; has the counts of what was delivered.
        UnrecognizedInput: everything in the file was rejected; has the counts, too.
        Terminal: the mapping does not fit the topic or the file, or the topic is missing.
        Transient: the broker is unavailable.
    """
    stop = stop or Flag()
    plan = compile_mapping(mapping, topic)
    table = open_mapped(path, plan)
    outcomes = Mapper(plan, pseudonymizer(load_key(settings))).outcomes(table.records)
    publisher = Publisher(settings)
    publisher.check([topic.name])
    counts = deliver(outcomes, publisher, source=SOURCE, origin=path.name, rate=rate, stop=stop, progress=progress)
    if not stop.is_set():
        _require_accepted(counts, path)
    return counts


def _require_accepted(counts: Counts, path: Path) -> None:
    try:
        require_recognized(counts, SOURCE, path.name)
    except UnrecognizedInput as error:
        (reason, _), *_ = counts.rejected_reasons.most_common(1)
        raise UnrecognizedInput(
            counts,
            f"Nothing in {path.name} fits the mapping: all {counts.rejected:,} inputs were rejected ({reason}, for"
            " example).",
            remedy="Correct the mapping or the file; `--preview` shows what is wrong.",
        ) from error


def open_mapped(path: Path, plan: Plan) -> Table:
    """The file as a table that has the columns of the mapping.

    Raises:
        Terminal: it cannot be read, or a column is missing.
    """
    table = open_table(path, plan.mapping.file)
    if table.format in ("json", "jsonl"):
        return table  # objects may leave out what they have no value for
    known = {*table.columns}
    if missing := [name for name in plan.columns if name not in known and name.split(".")[0] not in known]:
        raise Terminal(
            f"{path.name} has no column {', '.join(missing)}.",
            remedy=f"Its columns are {', '.join(name for name in table.columns if name)}.",
        )
    return table
