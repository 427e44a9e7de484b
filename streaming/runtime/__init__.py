"""Shared by all streaming processes: clients, topics, dead letters, logs, metrics."""
