"""Read-only SQL over HTTP: the endpoint, the query page, and the worker processes.

Queries run on the published file, never on the lake, so a worker needs no network, no secrets, and no file but this
one, and DuckDB's access to anything else is disabled. Of the rest of `warehouse`, this package only imports
`headrace.warehouse.query`, which checks statements and formats values.
"""
