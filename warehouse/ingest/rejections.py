"""The records of a topic that Connect rejected, from the landed dead letters: unlike Kafka's, these do not expire."""

from datetime import datetime

from headrace.contracts import dead_letters as headers
from headrace.contracts.delivery import Delivery
from headrace.contracts.reconciliation import Place
from headrace.contracts.topic import DEAD_LETTER_SUFFIX
from headrace.warehouse.lake import Lake, quoted


def landed_rejections(lake: Lake, delivery: Delivery) -> dict[Place, datetime]:
    """Partition and offset of each record, and when it was rejected; empty if no dead letter was registered yet."""
    table = letters_table(delivery)
    if table not in lake.columns():
        return {}
    rows = lake.connection.execute(
        f"""
        with letters as (
            select {_header(headers.CONNECT_CONNECTOR)} as connector, _kafka_time,
                try_cast({_header(headers.CONNECT_PARTITION)} as bigint) as "partition",
                try_cast({_header(headers.CONNECT_OFFSET)} as bigint) as "offset"
            from {table}
        )
        select "partition", "offset", max(_kafka_time) from letters
        where connector = {quoted(delivery.connector)} and "partition" is not null and "offset" is not null
        group by all
        """  # noqa: S608
    ).fetchall()
    return {(place, at): moment for place, at, moment in rows}


def letters_table(delivery: Delivery) -> str:
    """The raw table of the topic's dead letters."""
    return f"raw.{delivery.topic}{DEAD_LETTER_SUFFIX.replace('.', '_')}"


def _header(name: str) -> str:
    # A blob cast to text has its non-ASCII bytes escaped, so any header can be read.
    return f"list_filter(_headers, lambda each: each.key = {quoted(name)})[1].value::varchar"
