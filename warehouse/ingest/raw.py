"""The raw tables: the landed files of each topic, registered with the lake where they lie, never copied.

Each topic has a table of its records and, unless it is a dead-letter topic, one of its quarantine. Their columns are
those of the landing schema; a column that a contract gains is added, and one that a new version renames is renamed
(`evolution`).
"""

# ruff: noqa: S608  the only names put into SQL are those of the topics and fields declared in `contracts`

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
import pyarrow as pa

from headrace.contracts.errors import Terminal
from headrace.contracts.landing import QUARANTINE_SCHEMA, LandedFile, landing_schema, quarantine_name
from headrace.contracts.reconciliation import RegisteredAccount
from headrace.contracts.topic import Topic
from headrace.contracts.topics import TOPICS
from headrace.warehouse.ingest import unregistered_files
from headrace.warehouse.ingest.evolution import Evolution, evolution
from headrace.warehouse.ingest.landed_files import Landed, files_named, landed_since
from headrace.warehouse.lake import CATALOG, Lake, change_cache, missing_files, quoted, watermarks

SCHEMA = "raw"


@dataclass(frozen=True)
class RawTable:
    """The raw table of a topic. `quarantine` is the table of its records that are not valid events."""

    topic: str
    qualified: str
    description: str
    domain: str
    quarantine: str | None


def raw_tables() -> tuple[RawTable, ...]:
    """The raw table of every topic."""
    return tuple(raw_table(topic.name) for topic in TOPICS.values())


def raw_table(topic: str) -> RawTable:
    """The raw table of a topic."""
    declared = TOPICS[topic]
    return RawTable(
        topic=topic,
        qualified=f"{SCHEMA}.{_table_name(topic)}",
        description=_description(declared),
        domain=declared.domain,
        quarantine=None if declared.is_dead_letter else f"{SCHEMA}.{_table_name(quarantine_name(topic))}",
    )


def ensure(lake: Lake) -> None:
    """Create missing raw tables, and change the columns of those whose contract changed."""
    if lake.is_prepared:
        return
    watermarks.ensure(lake)
    if _behind(lake):
        lake.write(lambda: _create(lake, _behind(lake)))
    lake.is_prepared = True


def register(lake: Lake, topics: Sequence[str]) -> dict[str, int]:
    """Register all files of topics committed since the last call; returns the numbers of new records.

    Files and watermark are written in one transaction, so every file is registered exactly once. A file that is missing
    or not as committed is listed in `meta.damaged_files` instead, and the rest is registered.

    Raises:
        Transient: PostgreSQL is unavailable.
    """
    ensure(lake)
    with lake.transaction():
        waiting = [topic for topic in topics if _landed(lake, topic).next_offsets]
    return lake.write(lambda: _register(lake, waiting)) if waiting else {}


def registered_offsets(lake: Lake, topic: str, without: Collection[str] = ()) -> pa.Table:
    """Every registered record: columns `topic_id`, `partition`, `offset`, and `quarantined`, true for the quarantine.

    Records in the files `without` are left out.
    """
    table = raw_table(topic)
    sources = [(_without(lake, table.qualified, without), False)]
    if table.quarantine is not None:
        sources.append((_without(lake, table.quarantine, without), True))
    query = " union all ".join(
        f'select _topic_id as topic_id, _partition as partition, _offset as "offset", {quarantined} as quarantined'
        f" from {source}"
        for source, quarantined in sources
    )
    with lake.translated_errors():
        return lake.connection.execute(query).to_arrow_table()


def _without(lake: Lake, qualified: str, without: Collection[str]) -> str:
    """What to select from: the table, or its remaining files."""
    if not without:
        return qualified
    left = [path for path, _ in _files(lake, qualified) if path not in without]
    if not left:
        return f"(from {qualified} where false)"
    return f"read_parquet([{', '.join(map(quoted, left))}], union_by_name => true)"


def damaged_files(lake: Lake, topic: str) -> list[str]:
    """The registered files of a topic that are missing, of another size, or of other content than was landed."""
    files = _registered_files(lake, topic)
    found = {path for path, size in files if not Path(path).is_file() or Path(path).stat().st_size != size}
    root = lake.settings.landing_root
    landed = files_named(lake.postgres(), topic, _below(root, [path for path, _ in files]))
    found |= {str(root / file.path) for file in landed if file.damage(root)}
    return [path for path, _ in files if path in found]


def damaged_landed_files(lake: Lake, topic: str) -> list[LandedFile]:
    """The damaged landed files of a topic, whether they are registered yet or not."""
    ensure(lake)
    root, landed = lake.settings.landing_root, _landed(lake, topic)
    registered = files_named(lake.postgres(), topic, _below(root, damaged_files(lake, topic)))
    return registered + [file for file in (*landed.files, *landed.quarantine_files) if file.damage(root)]


def refit(lake: Lake, path: Path, size: int) -> None:
    """Update the sizes in DuckLake's catalog of a file that was replaced by one of `size` bytes with the same rows.

    DuckLake finds a file's footer by the stored sizes and has no call to change them, so its tables are updated here.
    """
    with path.open("rb") as file:
        file.seek(-8, os.SEEK_END)  # Parquet ends with the length of its footer, and "PAR1"
        footer = int.from_bytes(file.read(4), "little")
    lake.postgres().execute(
        "update ducklake.ducklake_data_file set file_size_bytes = %s, footer_size = %s"
        " where path = %s and not path_is_relative",
        [size, footer, str(path)],
    )


def require_same_columns(lake: Lake, topic: str, path: Path) -> None:
    """Require that a registered file, if it is rewritten with today's columns, has those that DuckLake expects in it.

    Raises:
        Terminal: it landed before a column was renamed.
    """
    rows = lake.postgres().execute(
        "select m.source_name from ducklake.ducklake_data_file f join ducklake.ducklake_name_mapping m"
        " on m.mapping_id = f.mapping_id where f.path = %s and m.parent_column is null",
        [str(path)],
    )
    declared = {*landing_schema(TOPICS[topic]).names, *QUARANTINE_SCHEMA.names}
    if gone := sorted({name for (name,) in rows} - declared):
        raise Terminal(
            f"{path} landed before {gone[0]} was renamed, so it cannot be written again.",
            remedy="Restore it from a backup, then run `headrace landing repair` again.",
        )


def put_entries_back(lake: Lake, path: Path) -> None:
    """Register a file again that was missing and is back; does nothing if the catalog still has it.

    The tables that read its table are built in full the next time, since its rows may be older than their watermarks.
    """
    table = missing_files.put_back(lake.postgres(), path)
    if table is not None:
        lake.forget()
        lake.write(lambda: watermarks.forget_readers(lake, table))


def _registered_files(lake: Lake, topic: str) -> list[tuple[str, int]]:
    table = raw_table(topic)
    return [*_files(lake, table.qualified), *(_files(lake, table.quarantine) if table.quarantine else ())]


def _below(root: Path, paths: Iterable[str]) -> list[str]:
    """The paths relative to `root` of the files below it; files that maintenance wrote are elsewhere."""
    return [str(Path(path).relative_to(root)) for path in paths if Path(path).is_relative_to(root)]


def _files(lake: Lake, qualified: str) -> list[tuple[str, int]]:
    """Path and bytes of every file of a table."""
    name = quoted(qualified.removeprefix(f"{SCHEMA}."))
    listed = f"ducklake_list_files('{CATALOG}', {name}, schema => '{SCHEMA}')"
    return lake.connection.execute(f"select data_file, data_file_size_bytes from {listed}").fetchall()


def registered_accounts(lake: Lake, topic: str) -> list[RegisteredAccount]:
    """The registered offsets of each partition of a topic, for reconciliation, in one snapshot."""
    ensure(lake)
    accounts: list[RegisteredAccount] = []
    with lake.transaction():
        found = damaged_files(lake, topic)
        lake.connection.register("registered", registered_offsets(lake, topic, found))
        for (topic_id, partition), position in sorted(watermarks.landing_offsets(lake, topic).items()):
            of_partition = f"from registered where topic_id = {quoted(topic_id)} and partition = {partition}"
            numbers = lake.connection.execute(f'select "offset" {of_partition} order by "offset"').fetchnumpy()
            quarantined = lake.value(f"select count(*) {of_partition} and quarantined")
            offsets = np.asarray(numbers["offset"], dtype=np.int64)
            accounts.append(
                RegisteredAccount(topic, UUID(topic_id), partition, position, offsets, quarantined, tuple(found))
            )
    lake.connection.unregister("registered")
    return accounts


def described(field: pa.Field) -> str:
    """The description of a landed column in its contract."""
    return (field.metadata or {}).get(b"description", b"").decode()


def _landed(lake: Lake, topic: str) -> Landed:
    return landed_since(lake.postgres(), topic, watermarks.landing_offsets(lake, topic))


def _register(lake: Lake, topics: Sequence[str], done: Collection[LandedFile] = ()) -> dict[str, int]:
    landed = {topic: _landed(lake, topic) for topic in topics}
    rows: dict[str, int] = {}
    for topic, found in landed.items():
        table = raw_table(topic)
        rows[topic] = _register_files(lake, table.qualified, [file for file in found.files if file not in done])
        if table.quarantine is not None:
            _register_files(lake, table.quarantine, found.quarantine_files)
    offsets = {topic: found.next_offsets for topic, found in landed.items() if found.next_offsets}
    if offsets:
        watermarks.move_landing_offsets(lake, offsets)
    return rows


def _register_files(lake: Lake, qualified: str, committed: Sequence[LandedFile]) -> int:
    """Add the files that are as committed, list the others as damaged; returns the number of rows added."""
    damage = {file: reason for file in committed if (reason := file.damage(lake.settings.landing_root))}
    whole = [file for file in committed if file not in damage]
    _add_files(lake, qualified, whole)
    for file, reason in damage.items():
        unregistered_files.add(lake, file, qualified, reason)
    return sum(file.rows for file in whole)


def put_back(lake: Lake, file: LandedFile) -> bool:
    """Register a damaged file that was repaired; False if it is not listed as damaged.

    The tables that read its table are built in full the next time, since its rows may be older than their watermarks.
    """

    def work() -> bool:
        table = unregistered_files.remove(lake, file)
        if table is not None:
            _add_files(lake, table, [file])
            watermarks.forget_readers(lake, table)
        return table is not None

    return lake.write(work)


def _add_files(lake: Lake, qualified: str, committed: Sequence[LandedFile]) -> None:
    paths = ", ".join(quoted(str(lake.settings.landing_root / file.path)) for file in committed)
    if paths:
        # A file may lack columns that its contract gained later. A column that the table lacks is an error.
        lake.connection.execute(
            f"call ducklake_add_data_files('{CATALOG}', {quoted(qualified.removeprefix(f'{SCHEMA}.'))}, [{paths}],"
            f" schema => '{SCHEMA}', allow_missing => true, hive_partitioning => false)"
        )
        nothing = ", ".join(f'null::{kind} as "{name}"' for name, kind in lake.columns()[qualified].items())
        read = f"read_parquet([{paths}], union_by_name => true, hive_partitioning => false)"
        rows = f"select * from (select {nothing} where false) union all by name from {read}"
        change_cache.keep(lake, qualified, rows, sum(file.rows for file in committed))


def _table_name(topic: str) -> str:
    return topic.replace(".", "_")


def _description(topic: Topic) -> str:
    if topic.contract is None:
        return f"Dead letters of {topic.name.removesuffix('.dlq')}: one row per record, raw bytes and headers."
    return f"One row per record of the topic {topic.name}, as landed."


def declared_schemas() -> list[tuple[str, pa.Schema, str]]:
    """Name, schema and description of every raw table, quarantines included."""
    declared: list[tuple[str, pa.Schema, str]] = []
    for topic in TOPICS.values():
        table = raw_table(topic.name)
        declared.append((table.qualified, landing_schema(topic), table.description))
        if table.quarantine is not None:
            about = f"One row per record of the topic {topic.name} that is not a valid event."
            declared.append((table.quarantine, QUARANTINE_SCHEMA, about))
    return declared


def _behind(lake: Lake) -> list[tuple[str, pa.Schema, str]]:
    """The declared tables that do not exist or do not have the declared columns."""
    columns = lake.columns()
    return [table for table in declared_schemas() if _lacks(columns.get(table[0], {}), table[1])]


def _lacks(columns: dict[str, str], schema: pa.Schema) -> bool:
    return any(name not in columns or _other_type(columns[name], schema.field(name).type) for name in schema.names)


def _other_type(column: str, declared: pa.DataType) -> bool:
    """Whether a column has another type than declared. Lists are not compared."""
    if pa.types.is_decimal(declared):
        return column != f"DECIMAL({declared.precision},{declared.scale})"
    known = {pa.string(): "VARCHAR", pa.int64(): "BIGINT", pa.float64(): "DOUBLE", pa.bool_(): "BOOLEAN"}
    return column != known.get(declared, column)


def _create(lake: Lake, tables: list[tuple[str, pa.Schema, str]]) -> None:
    lake.connection.execute(f"create schema if not exists {SCHEMA}")
    existing = lake.columns()
    topics = {raw_table(topic).qualified: topic for topic in TOPICS}
    early: dict[str, list[LandedFile]] = {}
    for qualified, schema, description in tables:
        columns = existing.get(qualified)
        lake.connection.register("declared_columns", schema.empty_table())
        types = lake.types_of("declared_columns")
        lake.connection.unregister("declared_columns")
        if columns:
            topic = topics.get(qualified)
            change = evolution(TOPICS[topic].contract if topic else None, columns, types)
            if topic and change.alters:
                early[topic] = _register_early(lake, topic, change, schema)
            added = _alter(lake, qualified, columns, types, change)
        else:
            added = schema.names
            columns_sql = ", ".join(f'"{name}" {types[name]}' for name in added)
            lake.connection.execute(f"create table {qualified} ({columns_sql})")
            lake.connection.execute(f"comment on table {qualified} is {quoted(description)}")
        for name in added:
            about = quoted(described(schema.field(name)))
            lake.connection.execute(f'comment on column {qualified}."{name}" is {about}')
    if early:
        lake.forget()
        _register(lake, list(early), {file for files in early.values() for file in files})
        for topic in early:
            watermarks.forget_readers(lake, raw_table(topic).qualified)
    lake.fence()


def _register_early(lake: Lake, topic: str, change: Evolution, schema: pa.Schema) -> list[LandedFile]:
    """Register the files that landed with the old columns, while the table still has them."""
    files = [f for f in _landed(lake, topic).files if change.precedes(lake.settings.landing_root / f.path, schema)]
    _register_files(lake, raw_table(topic).qualified, files)
    return files


def _alter(lake: Lake, qualified: str, columns: dict[str, str], types: dict[str, str], change: Evolution) -> list[str]:
    """Change a table's columns; returns the names of new ones."""
    names = set(columns)
    for old, new in (*change.renames, *change.replaced):
        lake.connection.execute(f'alter table {qualified} rename column "{old}" to "{new}"')
        names = (names - {old}) | {new}
    for name, kind in change.types.items():
        lake.connection.execute(f'alter table {qualified} alter column "{name}" type {kind}')
    added = [name for name in types if name not in names]
    for name in added:
        default = f" default {change.constants[name]}" if name in change.constants else ""
        lake.connection.execute(f'alter table {qualified} add column "{name}" {types[name]}{default}')
    return added
