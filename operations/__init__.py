"""What one command does across rooms: reconciliation, repair, training, rescoring, evaluation windows from files.

The command line and Dagster call these alike, so neither is imported here. What a single room can do belongs there.
"""
