"""The behaviour and sentiment models: what they read, how they score, and later their training and promotion.

Neither Kafka nor Dagster belongs here: the processors call this room to score, Dagster to train.
"""
