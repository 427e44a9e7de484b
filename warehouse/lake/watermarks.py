"""The watermarks of each table, stored in the lake and moved in the transaction that writes the rows.

Every transaction that writes to the lake moves a watermark, and each move updates the one row of `meta.fence`. So of
two concurrent writers the later one always fails to commit.
"""

# ruff: noqa: S608  names come from the tables' own files, ids and offsets from the landing positions, all quoted

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from headrace.warehouse.lake.connection import Lake
from headrace.warehouse.lake.text import quoted

FRESHNESS = "meta.freshness"
FRESHNESS_COLUMNS = "topic varchar, available_hour timestamptz, seconds integer, records bigint"
_FORMER_HOUR = "visible_hour"
"""The name of `available_hour` in homes created before the first release."""
_CREATE = f"""
call lake.set_option('data_inlining_row_limit', 10000, schema => 'meta');
create table if not exists meta.watermarks
    (table_name varchar, input varchar, snapshot_id bigint, definition varchar, updated_at timestamptz,
    documentation varchar);
create table if not exists meta.landing_offsets
    (topic varchar, topic_id varchar, partition integer, next_offset bigint, updated_at timestamptz);
create table if not exists meta.staging_offsets
    (topic varchar, topic_id varchar, partition integer, next_offset bigint, updated_at timestamptz);
create table if not exists meta.freshness ({FRESHNESS_COLUMNS});
create table if not exists meta.damaged_files
    (path varchar, table_name varchar, rows bigint, reason varchar, found_at timestamptz);
create table if not exists meta.fence (writes bigint);
insert into meta.fence select 0 where not exists (from meta.fence);
comment on table meta.watermarks is 'The snapshot up to which a table has read each of its inputs.';
comment on table meta.landing_offsets is 'The offset up to which landed files are registered, per partition.';
comment on table meta.staging_offsets is 'The offset up to which delivered rows are loaded, per partition.';
comment on table meta.freshness is 'Records by the seconds from Kafka to the marts, counted at each publication.';
comment on table meta.damaged_files is 'Landed files that could not be registered: missing, or not as committed.';
comment on table meta.fence is 'One row that every writer updates, so that two at once cannot both commit.';
"""
# Watermarks are a few rows that change with every build; inlined in the catalog, they leave no small files.


@dataclass(frozen=True)
class Watermark:
    """How far a table has read one input, and its file when it was built.

    `definition` is the hash of what decides about the rows, `documentation` the hash of the descriptions.
    """

    input: str
    snapshot_id: int
    definition: str
    documentation: str = ""


def ensure(lake: Lake) -> None:
    """Create the tables of this module if they do not exist."""
    if not _exists(lake):
        # An option cannot be set for a schema that is not committed yet.
        lake.write(lambda: lake.connection.execute("create schema if not exists meta"))
        lake.write(lambda: _create(lake))
    if "documentation" not in lake.columns()["meta.watermarks"]:
        lake.write(lambda: _add_documentation(lake))


def read(lake: Lake, table: str) -> dict[str, Watermark]:
    """The watermarks of a table, by input; empty for a table never built."""
    return {mark.input: mark for name, mark in lake.remembered("watermarks", lambda: _read(lake)) if name == table}


def _read(lake: Lake) -> list[tuple[str, Watermark]]:
    rows = lake.connection.execute(
        "select table_name, input, snapshot_id, definition, coalesce(documentation, '') from meta.watermarks"
    ).fetchall()
    return [(row[0], Watermark(*row[1:])) for row in rows]


def move(lake: Lake, table: str, inputs: Iterable[str], snapshot_id: int, definition: str) -> None:
    """Record that `table` has read all `inputs` up to a snapshot."""
    move_all(lake, {table: [Watermark(name, snapshot_id, definition) for name in inputs]})


def move_all(lake: Lake, marks: Mapping[str, Iterable[Watermark]]) -> None:
    """Replace all watermarks of the given tables."""
    rows = ", ".join(
        f"({quoted(table)}, {quoted(mark.input)}, {mark.snapshot_id}, {quoted(mark.definition)}, now(),"
        f" {quoted(mark.documentation)})"
        for table, of_table in marks.items()
        for mark in of_table
    )
    lake.connection.execute(f"delete from meta.watermarks where table_name in ({', '.join(map(quoted, marks))})")
    lake.connection.execute(f"insert into meta.watermarks values {rows}")
    lake.fence()


def forget_readers(lake: Lake, table: str) -> None:
    """Make every reader of `table` read it in full next time, after the table was recreated."""
    lake.connection.execute(f"delete from meta.watermarks where input = {quoted(table)}")
    lake.fence()


def landing_offsets(lake: Lake, topic: str) -> dict[tuple[str, int], int]:
    """Next offset to register, by topic id and partition."""
    return _offsets(lake, "landing_offsets", topic)


def move_landing_offsets(lake: Lake, offsets: Mapping[str, Mapping[tuple[str, int], int]]) -> None:
    """Record that the files of some topics are registered up to these offsets."""
    _move_offsets(lake, "landing_offsets", offsets)


def staging_offsets(lake: Lake, topic: str) -> dict[tuple[str, int], int]:
    """Next offset to load from the rows that Connect delivered, by topic id and partition."""
    return _offsets(lake, "staging_offsets", topic)


def move_staging_offsets(lake: Lake, topic: str, offsets: dict[tuple[str, int], int]) -> None:
    """Record that the delivered rows of a topic are loaded up to these offsets."""
    _move_offsets(lake, "staging_offsets", {topic: offsets})


def _offsets(lake: Lake, table: str, topic: str) -> dict[tuple[str, int], int]:
    rows = lake.remembered(table, lambda: _read_offsets(lake, table))
    return {(topic_id, partition): next_offset for name, topic_id, partition, next_offset in rows if name == topic}


def _read_offsets(lake: Lake, table: str) -> list[tuple[str, str, int, int]]:
    return lake.connection.execute(f"select topic, topic_id, partition, next_offset from meta.{table}").fetchall()


def _move_offsets(lake: Lake, table: str, offsets: Mapping[str, Mapping[tuple[str, int], int]]) -> None:
    moved = [(topic, *place, offset) for topic, of_topic in offsets.items() for place, offset in of_topic.items()]
    places = ", ".join(f"({quoted(topic_id)}, {partition})" for _, topic_id, partition, _ in moved)
    rows = ", ".join(
        f"({quoted(topic)}, {quoted(topic_id)}, {partition}, {next_offset}, now())"
        for topic, topic_id, partition, next_offset in moved
    )
    lake.connection.execute(f"delete from meta.{table} where (topic_id, partition) in ({places})")
    lake.connection.execute(f"insert into meta.{table} values {rows}")
    lake.fence()


def _exists(lake: Lake) -> bool:
    columns = lake.columns()
    known = {"meta.fence", "meta.staging_offsets", "meta.damaged_files"} <= columns.keys()
    return known and "available_hour" in columns.get(FRESHNESS, {})


def _create(lake: Lake) -> None:
    if _exists(lake):
        return
    if _FORMER_HOUR in lake.columns().get(FRESHNESS, {}):
        lake.connection.execute(f"alter table {FRESHNESS} rename column {_FORMER_HOUR} to available_hour")
    lake.connection.execute(_CREATE)


def split_hashes(lake: Lake) -> None:
    """Give each hash its own column, in the transaction that is open: `definition` once held both."""
    lake.connection.execute(
        "update meta.watermarks set documentation = split_part(definition, ' ', 2),"
        " definition = split_part(definition, ' ', 1) where contains(definition, ' ')"
    )


def _add_documentation(lake: Lake) -> None:
    lake.connection.execute("alter table meta.watermarks add column if not exists documentation varchar")
    split_hashes(lake)
    lake.fence()
