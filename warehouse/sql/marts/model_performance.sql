-- grain: One row per version of the behavior model, month of the cutoff, and whether it was scored afterwards.
-- key: model_version, cutoff_month, is_backtest
-- domain: operations
-- description: How accurate the scores were, for each day whose following 30 days are over. A sale on a later day (at
--     most a month later) shows that they are. `is_backtest` marks scores of a period that the model may have been
--     trained on.
-- materialized: incremental_by_group
-- group_by: cutoff_month
-- input core.score_outcomes affects: date_trunc('month', cutoff_date)::date
-- input marts.sales_daily affects: date_trunc('month', sale_date - 62)::date for 3 months
-- column model_version: Version of the model, or `rfm-rule`.
-- column cutoff_month: Month of the cutoffs, by its first day.
-- column is_backtest: The scores were made after the 30 days that they are about.
-- column scores: Scores whose outcome is known, the last one of each customer and day.
-- column customers: Customers among them.
-- column repurchased: Scores that were followed by an order within 30 days.
-- column repurchase_rate_pct: These in percent of the scores.
-- column mean_probability_pct: Mean of the predicted probability, in percent.
-- column auc: Probability that of two scores, one followed by an order and one not, the first is higher (Mann and
--     Whitney 1947); empty where all or none were.
-- column brier: Mean squared distance of the probability from the outcome; lower is better.
-- column base_rate_brier: The same for a model that predicts `repurchase_rate_pct` for every customer.
-- column calibration_error: Mean distance of probability and observed share over the ten tenths of probability, weighted
--     by scores; 0 where each share equals its probability.
with over as (
    select distinct outcomes.cutoff_date
    from (select distinct cutoff_date from core.score_outcomes) as outcomes
    semi join marts.sales_daily as sales
        on sales.sale_date between outcomes.cutoff_date + 31 and outcomes.cutoff_date + 62
),
ranked as (
    select
        model_version,
        date_trunc('month', cutoff_date)::date as cutoff_month,
        is_backtest,
        customer_id,
        ordered_within_30_days::integer as repurchased,
        repurchase_probability as probability,
        least(floor(repurchase_probability * 10), 9)::integer as tenth,
        -- Twice the mean rank of equal probabilities, to use integers only.
        2 * rank() over (likes order by repurchase_probability)
        + count(*) over (partition by model_version, cutoff_month, is_backtest, repurchase_probability) - 1 as rank_twice
    from core.score_outcomes
    semi join over using (cutoff_date)
    window likes as (partition by model_version, cutoff_month, is_backtest)
),
tenths as (
    select model_version, cutoff_month, is_backtest, tenth, abs(sum(probability) - sum(repurchased)) as distance
    from ranked
    group by all
),
distances as (
    select model_version, cutoff_month, is_backtest, sum(distance) as distance
    from tenths
    group by all
),
counted as (
    select
        model_version,
        cutoff_month,
        is_backtest,
        count(*) as scores,
        count(distinct customer_id) as customers,
        sum(repurchased)::bigint as repurchased,
        sum(probability) as probability,
        sum((probability - repurchased) * (probability - repurchased)) as squared,
        (sum(rank_twice) filter (where repurchased = 1))::bigint as ranks_twice
    from ranked
    group by all
)
select
    model_version,
    cutoff_month,
    is_backtest,
    scores,
    customers,
    counted.repurchased,
    (100 * counted.repurchased / scores)::decimal(5, 2) as repurchase_rate_pct,
    (100 * probability / scores)::decimal(5, 2) as mean_probability_pct,
    (
        (ranks_twice / 2 - counted.repurchased * (counted.repurchased + 1) / 2)
        / nullif(counted.repurchased * (scores - counted.repurchased), 0)
    )::decimal(6, 4) as auc,
    (squared / scores)::decimal(6, 4) as brier,
    (counted.repurchased * (scores - counted.repurchased) / (scores * scores))::decimal(6, 4) as base_rate_brier,
    (distance / scores)::decimal(6, 4) as calibration_error
from counted
inner join distances using (model_version, cutoff_month, is_backtest)
