"""Training/serving skew: compares the features that the stream served with those that the warehouse computes offline.

The statement of `core.customer_features` is run for the cutoffs of the latest scores. Documents from before a cutoff
that arrived after the score were not known to it: customers with such documents are left out.
"""

# ruff: noqa: S608  names are this package's, the limit is a number

from dataclasses import dataclass

from headrace.contracts.errors import Terminal
from headrace.warehouse.frames import features_sql
from headrace.warehouse.lake import Lake

SCORES = 500
FEATURES = {
    "orders": "orders",
    "returns": "returns",
    "currency": "currency",
    "monetary_value": "monetary_value::decimal(38, 4)",
    "orders_in_other_currencies": "orders_in_other_currencies",
    "recency_days": "recency_days",
    "tenure_days": "tenure_days",
    "mean_gap_days": "mean_gap_days",
    "mean_basket_lines": "mean_basket_lines",
    "order_days": "order_days",
    "last_gap_days": "last_gap_days",
    "median_gap_days": "median_gap_days",
    "longest_gap_days": "longest_gap_days",
}
"""Columns of the raw topic, cast to the types of `core.customer_features`."""


@dataclass(frozen=True)
class Skew:
    """The number of scores compared and, for each feature, how many of them differ offline."""

    rows: int
    differing: dict[str, int]

    @property
    def sound(self) -> bool:
        return not any(self.differing.values())


def skew(lake: Lake, scores: int = SCORES) -> Skew:
    """Recompute the features of the latest scores and count those that differ, to the last digit.

    Raises:
        Terminal: orders or scores were not built yet.
        Transient: PostgreSQL is unavailable.
    """
    differing = ", ".join(f"count(*) filter (where served.{name} is distinct from offline.{name})" for name in FEATURES)
    place = "_topic_id desc, _partition desc, _offset desc"
    with lake.transaction():
        if not {"raw.customer_behavior", "raw.orders", "core.orders"} <= lake.columns().keys():
            raise Terminal("Orders or scores were not built yet.", remedy="Run `headrace build` first.")
        row = lake.connection.execute(f"""
            with latest as (
                select customer_id, event_time as feature_cutoff, _kafka_time, _topic_id, _partition, _offset,
                    {", ".join(f"{expression} as {name}" for name, expression in FEATURES.items())}
                from raw.customer_behavior
                where not _is_tombstone and source = 'behavior-scorer'
                order by _kafka_time desc, {place}
                limit {scores}
            ),
            served as (
                select * from latest
                -- Of two documents with the same time, the later score includes both.
                qualify row_number() over (
                    partition by customer_id, feature_cutoff order by _kafka_time desc, {place}
                ) = 1
            ),
            offline as ({features_sql("select customer_id, feature_cutoff from served")}
            )
            select count(*), {differing}
            from served
            join offline using (customer_id, feature_cutoff)
            where not exists (
                from raw.orders as late
                where late.customer_id = served.customer_id
                    and late.event_time <= served.feature_cutoff
                    and late._kafka_time > served._kafka_time
            )
        """).fetchone()
    if row is None:
        raise AssertionError("an aggregate has one row")
    return Skew(row[0], dict(zip(FEATURES, row[1:], strict=True)))
