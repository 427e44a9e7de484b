"""Operator access to dead letters: reading the `.dlq` topics, and replaying records that are now valid."""
