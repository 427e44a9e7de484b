"""Kafka Connect: its connectors, declared from the contracts, and keeping a worker's connectors as declared."""
