"""The latency of records from Kafka to the marts, measured at each publication and stored as counts by seconds.

It is measured from Kafka's timestamp until the build that registered the record has been published. Counts add up over
builds, so quantiles of hours and days are exact to the second (to two digits above 100 s).
"""

# ruff: noqa: S608  names of the topics' tables, and numbers

from headrace.warehouse.ingest.raw import SCHEMA, raw_tables
from headrace.warehouse.lake import Lake, change_cache, quoted, watermarks

TABLE = "meta.freshness"
WAITS = "waits"
"""The temporary table of what is counted: records by topic, hour and seconds."""
READER = "meta.freshness"
"""The reader name of the measurement's watermarks."""
_DEFINITION = "measured"
_SECONDS = """
case when waited <= 100 then ceil(waited)
    else least(ceil(waited / pow(10, floor(log10(waited)) - 1)) * pow(10, floor(log10(waited)) - 1), 2147483647)
end::integer
"""


def measure(lake: Lake) -> int:
    """Count the records that became available since the last call, by topic and seconds; returns their number.

    The first call only sets the watermark, since the latency of older records is unknown.

    Raises:
        Transient: PostgreSQL is unavailable.
    """
    marks = watermarks.read(lake, READER)
    present = lake.columns()
    known = [each for each in raw_tables() if each.qualified in present]
    since = marks[SCHEMA].snapshot_id if SCHEMA in marks else None
    changed = lake.changed_since(since) if since is not None else set[str]()
    changed_tables = [each for each in known if each.qualified in changed]
    if since is not None and not changed_tables:
        return 0
    return lake.write(lambda: _measure(lake, since, {each.topic: each.qualified for each in changed_tables}))


def _measure(lake: Lake, since: int | None, tables: dict[str, str]) -> int:
    snapshot, count = lake.snapshot(), 0
    if since is not None and tables:
        parts = [
            f"select {quoted(topic)} as topic, _kafka_time"
            f" from {change_cache.insertions(lake, qualified, since, snapshot)}"
            for topic, qualified in tables.items()
        ]
        lake.connection.execute(
            f"""
            create or replace temp table {WAITS} as
            with seen as (
                select topic, greatest(epoch(now()) - epoch(_kafka_time), 0.001) as waited
                from ({" union all ".join(parts)})
            )
            select topic, date_trunc('hour', now()) as available_hour, {_SECONDS} as seconds, count(*) as records
            from seen group by all
            """
        )
        count = lake.value(f"select coalesce(sum(records), 0)::bigint from {WAITS}")
        lake.connection.execute(
            f"""
            merge into {TABLE} kept using {WAITS} waits
            on kept.topic = waits.topic and kept.available_hour = waits.available_hour and kept.seconds = waits.seconds
            when matched then update set records = kept.records + waits.records
            when not matched then insert values (waits.topic, waits.available_hour, waits.seconds, waits.records)
            """
        )
    watermarks.move(lake, READER, [SCHEMA], snapshot, _DEFINITION)
    return count
