"""The behaviour and sentiment models: the features' column lists, training, evaluation, promotion, registry access.

Nothing lives here yet. Neither Kafka nor Dagster will: the processors call this room to score, Dagster to train.
"""
