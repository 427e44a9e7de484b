"""Maintenance of the lake: small files, old snapshots, and unreferenced files."""
