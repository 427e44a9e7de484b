"""What every streaming process shares: clients, topics, dead letters, logs, metrics."""
