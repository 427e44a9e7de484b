-- grain: One row per order in the web log; two if one is unverified and one has the shop's signature.
-- key: order_id, is_unverified
-- domain: ecommerce
-- description: Orders as extracted from the visits, including those that another channel also reports.
--     `core.orders` resolves conflicts.
-- partition: year(order_date), month(order_date)
-- materialized: incremental_append
-- event_time: ordered_at
-- row_check quantities are within bounds: revenue is not null
-- column order_id: Number of the order.
-- column event_id: The event that reported it.
-- column ordered_at: When the purchase was made.
-- column order_date: Day of the purchase, in UTC.
-- column customer_id: {{ about("orders.customer_id") }}
-- column session_id: The visit's session id, or its visitor without one.
-- column session_duration_s: Seconds from the visit's first pixel hit to the purchase.
-- column session_pages: Pages seen before the purchase.
-- column line_count: Lines in the cart.
-- column currency: {{ about("orders.currency") }}
-- column revenue: Sum of quantity times unit price over the cart, exact; of a signed purchase its signed total.
-- column reported_total: The total that the purchase reports.
-- column quality_flag: What is odd about it: `unverified`, `ahead of time`, `total mismatch` or `empty cart`; empty where
--     nothing is.
-- column is_unverified: The purchase lacks the signature of a shop that signs.
-- column is_bot: Whether the user agent of the purchase identifies itself as a crawler, monitor or script.
-- column received_at: When Kafka took the event.
select
    order_id,
    event_id,
    event_time as ordered_at,
    event_time::date as order_date,
    customer_id,
    session_id,
    session_duration_s,
    session_pages,
    len(lines) as line_count,
    currency,
    case
        when verified then total -- docs/decisions/0027
        -- Lines of an older contract may have quantities whose sum no column holds.
        when coalesce(
            list_bool_and(list_transform(lines, lambda line: line.quantity between -100000000 and 100000000)), true
        )
        then coalesce(
            list_sum(
                list_transform(
                    list_filter(lines, lambda line: line.quantity between -100000000 and 100000000),
                    lambda line: (line.quantity::decimal(19, 0) * line.unit_price)::decimal(38, 4)
                )
            ),
            0
        )
    end::decimal(38, 4) as revenue,
    total as reported_total,
    quality_flag,
    quality_flag is not distinct from 'unverified' as is_unverified,
    coalesce(is_bot, false) as is_bot,
    _kafka_time as received_at
from raw.orders
where not _is_tombstone and channel = 'web'
{{ first_landed() }}
