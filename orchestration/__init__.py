"""Dagster: definitions (`defs`), the installation that runs them (`instance`), and the commands that report to it.

`definitions.py` is what Dagster loads. What a run does is in the other packages.
"""
