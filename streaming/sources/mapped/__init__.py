"""Any file in: CSV, JSON, Parquet and Excel files become events of a topic by a mapping, a TOML file.

`mapping` is the mapping's form, `plan` compiles it against a topic's contract, `events` turns records into outcomes.
`opening` reads files into records, `guessing` writes a first mapping, `ready` has mappings for exports of common shops.
"""
