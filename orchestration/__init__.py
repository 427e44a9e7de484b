"""Dagster: thin assets, checks, jobs, sensors, schedules and resources around `warehouse` and `streaming`.

One file a Dagster concept. No SQL text, no computation and no Kafka client here: a definition is a few lines around a
public function of another room.
"""
