"""The model registry: versions in MLflow on the stack's PostgreSQL, their files in skops format, and the champions.

| module | what belongs there |
|---|---|
| `files` | model files: written, checked and loaded |
| `store` | versions, their records and aliases, in MLflow |
| `champions` | current and former champions, read from PostgreSQL without importing MLflow |
| `promotion` | evaluation of a challenger, promotion, rollback |
| `current_scorer` | the scorer that a process uses: the champion, or the cold start |
"""
