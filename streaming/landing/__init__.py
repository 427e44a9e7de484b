"""Kafka to Parquet, exactly once. Start with `lander`; the numbered steps are in `lander` and `writer`."""
