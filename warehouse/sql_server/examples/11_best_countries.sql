-- title: Countries by revenue
-- domain: ecommerce
-- chart: {"plugin": "X Bar", "group_by": ["country"], "split_by": ["currency"], "columns": ["revenue"], "sort": [["revenue", "desc"]]}
select country, currency, sum(revenue)::double as revenue, sum(orders)::int as orders, sum(units)::double as units
from marts.sales_daily
group by country, currency
order by revenue desc
