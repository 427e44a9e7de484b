"""What all packages share: topics, event schemas, settings, error types. Each fact is stated once.

No I/O here, and no import of another package.
"""
