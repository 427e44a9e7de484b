"""The model registry: versions in MLflow on the stack's PostgreSQL, their files as skops, and who is champion.

| module | what belongs there |
|---|---|
| `files` | what a model file is, and what is refused as one |
| `store` | versions, their records and aliases, in MLflow |
| `champions` | who is champion and who was, asked of PostgreSQL without importing MLflow |
| `succession` | considering a challenger, promotion, rollback |
| `serving` | the scorer in force within a process that scores |
"""
