"""Housekeeping of the lake: small files, old snapshots, and files that nothing refers to."""
