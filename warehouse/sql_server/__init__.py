"""SQL over HTTP, for reading: the endpoint, the page to ask in, and the processes that answer.

Questions are answered from the published file, never from the lake: so an answering process needs no network, no
secrets, and no file but this one, and DuckDB's access to anything else is switched off. Nothing here imports the rest
of `warehouse` but `warehouse.query`, which says what reads and how values are printed.
"""
