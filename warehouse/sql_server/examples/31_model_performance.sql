-- title: How accurate the behavior model's scores were, by month
-- domain: operations
-- chart: {"plugin": "Y Line", "group_by": ["cutoff_month"], "split_by": ["model_version"], "columns": ["auc"], "aggregates": {"auc": "avg"}}
select cutoff_month, model_version, is_backtest, scores, repurchase_rate_pct, mean_probability_pct, auc, brier, calibration_error
from marts.model_performance
order by all
