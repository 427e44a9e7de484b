-- grain: One row per order, return or adjustment, from all channels that reported it.
-- key: order_id
-- domain: ecommerce
-- description: Where the order database and the web log both report an order, the order database takes precedence; of
--     conflicting web orders, one with the shop's signature. Unverified orders are included, but in no mart's revenue.
-- partition: year(order_date), month(order_date)
-- row_check currency is an ISO 4217 code: regexp_full_match(currency, '[A-Z]{3}')
-- row_check not from the future: ordered_at - interval 1 day <= received_at
-- row_check quantities are within bounds: revenue is not null
-- anomaly_check: order_date
-- materialized: incremental_by_group
-- group_by: order_id
-- input raw.orders affects: order_id
-- foreign_key customer_id: core.customers (customer_id)
-- column order_id: Number of the order, return or adjustment.
-- column event_id: The event that the row was made from.
-- column channel: The channel that takes precedence for this order: `store`, the order database, or `web`, the log.
-- column kind: `order`, `return` or `adjustment`; or `unverified`, a purchase without the signature of a shop that signs.
-- column ordered_at: When it was placed.
-- column order_date: Day it was placed, in UTC.
-- column customer_id: {{ about("orders.customer_id") }}
-- column country: Country of the customer; `Unspecified` where the source names none.
-- column currency: {{ about("orders.currency") }}
-- column line_count: Number of lines.
-- column units: Units over all lines, negative on a return.
-- column revenue: Sum of quantity times unit price over the lines, exact, negative on a return; of a signed purchase its
--     signed total.
-- column reported_total: The total that the source reports.
-- column source: {{ about("orders.source") }}
-- column received_at: When Kafka took the event.
with arrivals as (
    select *, {{ latest_arrival("order_id") }}
    from raw.orders
    where not _is_tombstone
),
deduplicated as (
    select *
    from arrivals
    {{ first_copy("order_id") }}
),
resolved as (
    select *
    from deduplicated
    {{ last_arrived("order_id", first="channel = 'store' desc, quality_flag is not distinct from 'unverified'") }}
),
amounts as (
    select
        order_id,
        count(*) as line_count,
        sum(line.quantity)::decimal(38, 0) as units,
        bool_and(line.quantity between -100000000 and 100000000) as is_within_bounds,
        sum(
            case
                when line.quantity between -100000000 and 100000000 then line.quantity::decimal(19, 0) * line.unit_price
            end
        )::decimal(38, 4) as revenue
    from (select order_id, unnest(lines) as line from resolved)
    group by order_id
)
select
    order_id,
    event_id,
    channel,
    if(quality_flag is not distinct from 'unverified', 'unverified', kind) as kind,
    event_time as ordered_at,
    event_time::date as order_date,
    customer_id,
    coalesce(country, 'Unspecified') as country,
    currency,
    coalesce(line_count, 0) as line_count,
    coalesce(units, 0)::decimal(38, 0) as units,
    -- Lines of an older contract may have quantities whose sum no column holds.
    case
        when not is_within_bounds then null
        when verified then total -- docs/decisions/0027
        else coalesce(revenue, 0)
    end::decimal(38, 4) as revenue,
    total as reported_total,
    source,
    _kafka_time as received_at
from resolved
left join amounts using (order_id)
