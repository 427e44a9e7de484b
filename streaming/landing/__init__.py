"""Kafka to Parquet, exactly once. `lander` reads top-down; the numbered steps stand in `lander` and `writer`."""
