"""Checks beyond a single build: the audit of all rows, and the skew between served and recomputed features."""
