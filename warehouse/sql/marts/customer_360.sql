-- grain: One row per customer with an account, an order or a return.
-- key: customer_id
-- domain: ecommerce
-- description: A profile of each customer. Amounts are in the currency of their orders; those of a customer with orders
--     in several currencies are empty, since they do not add up.
-- materialized: incremental_by_group
-- group_by: customer_id
-- input core.customers affects: customer_id
-- input core.customer_orders affects: customer_id
-- input core.customer_features affects: customer_id
-- input core.behavior_scores affects: customer_id
-- input core.feedback affects: customer_id
-- column customer_id: The customer.
-- column country_of_residence: Country of residence, the latest known; empty where the customer database does not
--     know them.
-- column registered_at: When the account was opened, or the first order was seen.
-- column has_account: Whether the account is open.
-- column first_order_at: First order; empty without any.
-- column last_order_at: Last order; empty without any.
-- column orders: Orders placed.
-- column returns: Returns made.
-- column currency: ISO 4217 code of the amounts; empty where there are several.
-- column gross_revenue: Revenue of the orders alone, exact; empty where there are several currencies.
-- column returned_revenue: Revenue of the returns, negative, exact; empty where there are several currencies.
-- column revenue: Orders and returns together, exact; empty where there are several currencies.
-- column units: Units ordered less those returned.
-- column mean_order_value: Revenue an order, returns not deducted; empty without any, and where there are several
--     currencies.
-- column mean_gap_days: Mean days between orders; empty before the second one.
-- column mean_basket_lines: Mean number of lines an order; empty without an order.
-- column repurchase_probability: Probability of another order within 30 days of the latest one, by the latest score.
-- column segment: Segment by the latest score; empty if never scored.
-- column model_version: Version of the model that made the score.
-- column scored_at: When it was scored.
-- column feedback_submissions: Forms and reviews with the customer's id.
-- column mean_rating: Mean of their ratings, 1 to 5; empty without any.
with accounts as (
    select customer_id, country, registered_at, is_current
    from core.customers
    qualify row_number() over (partition by customer_id order by valid_from desc) = 1
),
bought as (
    select
        customer_id,
        min(ordered_at) filter (where kind = 'order') as first_order_at,
        max(ordered_at) filter (where kind = 'order') as last_order_at,
        count(*) filter (where kind = 'order') as orders,
        count(*) filter (where kind = 'return') as returns,
        count(distinct currency) as currencies,
        if(currencies = 1, min(currency), null) as currency,
        coalesce(sum(revenue) filter (where kind = 'order'), 0)::decimal(38, 4) as gross_revenue,
        coalesce(sum(revenue) filter (where kind = 'return'), 0)::decimal(38, 4) as returned_revenue,
        sum(revenue)::decimal(38, 4) as revenue,
        sum(units)::decimal(38, 0) as units
    from core.customer_orders
    group by customer_id
),
scored as (
    select customer_id, repurchase_probability, segment, model_version, scored_at
    from core.behavior_scores
    {{ latest_score("customer_id") }}
),
submitted as (
    select customer_id, count(*) as feedback_submissions, (sum(rating) / count(rating))::decimal(5, 3) as mean_rating
    from core.feedback
    where customer_id is not null
    group by customer_id
)
select
    customer_id,
    accounts.country as country_of_residence,
    accounts.registered_at,
    coalesce(accounts.is_current, false) as has_account,
    bought.first_order_at,
    bought.last_order_at,
    coalesce(bought.orders, 0) as orders,
    coalesce(bought.returns, 0) as returns,
    bought.currency,
    if(currencies > 1, null, coalesce(bought.gross_revenue, 0))::decimal(38, 4) as gross_revenue,
    if(currencies > 1, null, coalesce(bought.returned_revenue, 0))::decimal(38, 4) as returned_revenue,
    if(currencies > 1, null, coalesce(bought.revenue, 0))::decimal(38, 4) as revenue,
    coalesce(bought.units, 0)::decimal(38, 0) as units,
    if(currencies > 1, null, bought.gross_revenue / nullif(bought.orders, 0))::decimal(38, 2) as mean_order_value,
    features.mean_gap_days::decimal(12, 2) as mean_gap_days,
    features.mean_basket_lines::decimal(12, 2) as mean_basket_lines,
    scored.repurchase_probability,
    scored.segment,
    scored.model_version,
    scored.scored_at,
    coalesce(submitted.feedback_submissions, 0) as feedback_submissions,
    submitted.mean_rating
from accounts
full join bought using (customer_id)
left join core.customer_features as features using (customer_id)
left join scored using (customer_id)
left join submitted using (customer_id)
