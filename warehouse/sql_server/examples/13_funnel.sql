-- title: From visit to purchase, by device
-- domain: ecommerce
-- chart: {"plugin": "Y Bar", "group_by": ["device"], "columns": ["sessions", "sessions_with_cart", "sessions_with_purchase"]}
select
    device,
    sum(sessions)::bigint as sessions,
    sum(sessions_with_cart)::bigint as sessions_with_cart,
    sum(sessions_with_purchase)::bigint as sessions_with_purchase
from marts.conversion_funnel
group by device
order by sessions desc
