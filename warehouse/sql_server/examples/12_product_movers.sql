-- title: Products that moved most in their last week of sale
-- domain: ecommerce
-- chart: {"plugin": "X Bar", "group_by": ["description"], "columns": ["units_7d", "units_previous_7d"], "sort": [["units_7d", "desc"]]}
select sku, description, currency, sale_date, units_7d::double as units_7d, units_previous_7d::double as units_previous_7d
from marts.product_trends join core.products using (sku)
qualify row_number() over (partition by sku, currency order by sale_date desc) = 1
order by abs(units_7d - units_previous_7d) desc, sku, currency
limit 20
