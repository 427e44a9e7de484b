"""The local stack: Kafka, PostgreSQL, the landers and Dagster under a supervisor, all below one home folder."""

from headrace.stack.lifecycle import (
    ProgramStatus,
    StackStatus,
    down,
    postgres_for_call,
    running,
    status,
    up,
)

__all__ = ["ProgramStatus", "StackStatus", "down", "postgres_for_call", "running", "status", "up"]
