-- title: Revenue by day and channel
-- domain: ecommerce
-- chart: {"plugin": "Y Bar", "group_by": ["sale_date"], "split_by": ["channel", "currency"], "columns": ["revenue"], "aggregates": {"revenue": "sum"}}
select sale_date, channel, currency, sum(revenue)::double as revenue, sum(orders)::int as orders, sum(returns)::int as returns
from marts.sales_daily
group by all
order by all
