"""What all parts agree on: topics, event schemas, settings, error types, each fact stated once.

No I/O here, and no import of another room.
"""
