"""The behavior, intent and sentiment models: features, training, evaluation, promotion and scoring.

Neither Kafka nor Dagster belongs here: stream processors call this package to score, Dagster to train.
"""
