-- grain: One row per line of an order, return or adjustment.
-- key: order_id, line_number
-- domain: ecommerce
-- description: The lines of exactly the documents in core.orders, with the columns of the order that the marts need.
-- partition: year(order_date), month(order_date)
-- materialized: incremental_by_group
-- group_by: order_id
-- input raw.orders affects: order_id
-- input core.orders affects: order_id
-- foreign_key order_id: core.orders (order_id)
-- foreign_key sku: core.products (sku)
-- column order_id: Number of the order, return or adjustment.
-- column line_number: Place in the document, from 1.
-- column sku: Product code.
-- column description: Product name at the time of the order.
-- column quantity: Units; negative on a return.
-- column unit_price: Price of one unit, in the order's currency.
-- column revenue: Quantity times unit price, exact. Where the lines of a signed purchase add up to more than its signed
--     total, their shares of it.
-- column currency: {{ about("orders.currency") }}
-- column kind: `order`, `return` or `adjustment`; or `unverified`, as in core.orders.
-- column channel: The channel that takes precedence for this order.
-- column ordered_at: When the order was placed.
-- column order_date: Day the order was placed, in UTC.
-- column customer_id: {{ about("orders.customer_id") }}
-- column country: {{ about("orders.country") }}
with arrivals as (
    select
        order_id,
        event_id,
        lines,
        verified,
        total,
        {{ latest_arrival("order_id") }},
        _topic_id,
        _partition,
        _offset
    from raw.orders
    where not _is_tombstone
),
-- The same arrival of an event as in core.orders.
documents as (
    select
        *,
        case
            when verified
            then list_sum(
                list_transform(lines, lambda line: (line.quantity::decimal(19, 0) * line.unit_price)::decimal(38, 4))
            )
        end as unsigned_amount
    from arrivals
    {{ first_copy("order_id") }}
),
lines as (
    select
        order_id,
        event_id,
        unnest(lines) as line,
        generate_subscripts(lines, 1) as line_number,
        -- Lines are not signed: their revenue is capped at the signed total (docs/decisions/0027).
        case when unsigned_amount > total then total::double / unsigned_amount::double end as share
    from documents
)
select
    lines.order_id,
    lines.line_number,
    line.sku as sku,
    line.description as description,
    line.quantity as quantity,
    line.unit_price as unit_price,
    coalesce(
        (line.quantity::double * line.unit_price::double * share)::decimal(38, 4),
        (line.quantity::decimal(19, 0) * line.unit_price)::decimal(38, 4)
    ) as revenue,
    orders.currency,
    orders.kind,
    orders.channel,
    orders.ordered_at,
    orders.order_date,
    orders.customer_id,
    orders.country
from lines
inner join core.orders as orders on lines.order_id = orders.order_id and lines.event_id = orders.event_id
