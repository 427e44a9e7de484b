"""The warehouse: DuckLake tables built incrementally from the landed files, their checks, publication and queries.

No Kafka and no Dagster here. Whoever runs a build (Dagster, a command, a test) calls `warehouse.build`.
"""
