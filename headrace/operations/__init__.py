"""Operations that span packages: reconciliation, repair, training, rescoring, evaluation windows from files.

Both the command line and Dagster call these, so neither is imported here. Operations of a single package belong there.
"""
