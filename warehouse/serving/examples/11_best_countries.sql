-- title: Countries by revenue
-- case: ecommerce
-- chart: {"plugin": "X Bar", "group_by": ["country"], "columns": ["revenue"], "sort": [["revenue", "desc"]]}
select country, sum(revenue)::double as revenue, sum(orders)::int as orders, sum(units)::bigint as units
from marts.sales_daily
group by country
order by revenue desc
