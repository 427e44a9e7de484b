"""The partition expressions of the lake's tables, read from DuckLake's catalog."""

# ruff: noqa: S608  names come from the tables' own files, versions are numbers

from headrace.warehouse.lake.connection import METADATA, Lake
from headrace.warehouse.lake.text import quoted

THEN = "{of}.begin_snapshot <= {{to}} and coalesce({of}.end_snapshot > {{to}}, true)"
TABLE = f"""
with former as (
    select table_id from {METADATA}.ducklake_table t join {METADATA}.ducklake_schema s using (schema_id)
    where s.schema_name || '.' || t.table_name = {{name}} and {THEN.format(of="t")}
)
"""
"""A CTE with the id of the table `name` at the snapshot `to`; a query follows it."""
_PARTITIONS = f"""{TABLE}
select '"' || c.column_name || '"', p.transform
from former join {METADATA}.ducklake_partition_info i using (table_id)
join {METADATA}.ducklake_partition_column p using (table_id, partition_id)
join {METADATA}.ducklake_column c using (table_id, column_id)
where {THEN.format(of="i")} and {THEN.format(of="c")} order by p.partition_key_index
"""


def partition_of(lake: Lake, name: str, at: int) -> str | None:
    """The partition expressions of a table at a snapshot, in DuckLake's form; None if it was not partitioned."""
    keys = lake.connection.execute(_PARTITIONS.format(name=quoted(name), to=at)).fetchall()
    parts = [column if transform == "identity" else f"{transform}({column})" for column, transform in keys]
    return ", ".join(parts) or None


def adopt(lake: Lake, name: str, partition: str | None) -> None:
    """Set the partitioning of an existing table to that of its file; it applies to rows written from now on."""
    present = partition_of(lake, name, lake.snapshot())
    if partition is not None and (present or "").replace('"', "") != partition:
        lake.connection.execute(f"alter table {name} set partitioned by ({partition})")
