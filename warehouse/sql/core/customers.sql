-- grain: One row per customer and span of time in which the customer's row did not change.
-- key: customer_id, valid_from
-- domain: ecommerce
-- description: Type-2 dimension: join on customer_id and valid_from <= t < valid_to. A closed account has no current
--     row.
-- dimension: true
-- row_check not from the future: try(valid_from - interval 1 day) <= received_at
-- materialized: incremental_by_group
-- group_by: customer_id
-- input raw.customers affects: coalesce(customer_id, try(decode(_key)))
-- column customer_id: {{ about("customers.customer_id") }}
-- column country: {{ about("customers.country") }}
-- column registered_at: {{ about("customers.registered_at") }}
-- column valid_from: Start of the row's validity.
-- column valid_to: End of the row's validity, exclusive; empty while it is current.
-- column is_current: Whether the row is valid now.
-- column received_at: When Kafka took the row.
with states as (
    select
        coalesce(customer_id, try(decode(_key))) as customer_id,
        country,
        registered_at,
        _is_tombstone or deleted as is_deleted,
        -- A tombstone has no time of its own: it closes the rows before it in its partition, not those after it.
        coalesce(
            event_time,
            greatest(
                max(event_time) over (lane rows unbounded preceding),
                least(
                    _kafka_time,
                    min(event_time) over (lane rows between 1 following and unbounded following)
                        - interval 1 microsecond
                )
            )
        ) as valid_from,
        coalesce(event_id, concat_ws('/', _topic_id, _partition, _offset)) as event_id,
        _kafka_time,
        {{ latest_arrival("coalesce(customer_id, try(decode(_key)))") }},
        _topic_id,
        _partition,
        _offset
    from raw.customers
    where coalesce(customer_id, try(decode(_key))) is not null
    window lane as (
        partition by coalesce(customer_id, try(decode(_key))), _topic_id, _partition order by _offset
    )
),
deduplicated as (
    select *
    from states
    {{ first_copy("customer_id") }}
),
one_per_time as (
    select *
    from deduplicated
    {{ last_arrived("customer_id, valid_from", first="is_deleted desc") }}
),
changes as (
    select *
    from one_per_time
    qualify row(country, registered_at, is_deleted) is distinct from
        lag(row(country, registered_at, is_deleted)) over (partition by customer_id order by valid_from)
),
spans as (
    select *, lead(valid_from) over (partition by customer_id order by valid_from) as valid_to
    from changes
)
select
    customer_id,
    country,
    registered_at,
    valid_from,
    valid_to,
    valid_to is null as is_current,
    _kafka_time as received_at
from spans
where not is_deleted
