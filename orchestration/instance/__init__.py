"""Dagster's own installation within a stack: its configuration, its processes, and its internals where needed.

How a stack runs Dagster belongs here; what Dagster runs is in `headrace.orchestration.defs`.
"""
