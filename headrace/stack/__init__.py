"""The local stack: Kafka, PostgreSQL, the landers and Dagster under a supervisor, all below one home folder."""

from headrace.stack.lifecycle import clear, down, postgres_for_call, require_clearable, running, up
from headrace.stack.program_status import ProgramStatus, StackStatus, status
from headrace.stack.supervision import source_stopped

__all__ = [
    "ProgramStatus",
    "StackStatus",
    "clear",
    "down",
    "postgres_for_call",
    "require_clearable",
    "running",
    "source_stopped",
    "status",
    "up",
]
