"""The command line, and the local stack that it starts (Kafka, PostgreSQL, supervisor). No business logic."""
