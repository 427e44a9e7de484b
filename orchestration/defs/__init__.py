"""What Dagster loads, one concept a file: every definition at the top of a module here is part of the platform.

A definition is a few lines around a public function of another package. No SQL text, no computation, no Kafka client.
"""
