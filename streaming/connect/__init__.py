"""Kafka Connect: connectors declared from the contracts, and a watcher that keeps a worker's connectors as declared."""
