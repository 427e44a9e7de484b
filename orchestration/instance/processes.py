"""Which process executes a run, so that a run whose process was killed is detected.

Dagster's code server notices the death of its own children, but not those of a code server before it, nor a
`headrace build` that was killed. Such a run would count as running forever and block the build's place in the queue.
"""

import socket

import psutil
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

PROCESS_TAG = "headrace/process"
"""`run-id host pid start-time`: a pid alone may be reused by another process, and a retry inherits the tags."""
UNFINISHED = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
"""Statuses of a run that belongs to a process; a queued run has no process yet."""


def process_tag(run_id: str) -> dict[str, str]:
    """The tag of a run that this process executes."""
    return {PROCESS_TAG: f"{run_id} {_identity(psutil.Process())}"}


def is_abandoned(run: DagsterRun) -> bool:
    """Whether the run belonged to a process of this host that no longer exists."""
    run_id, _, identity = run.tags.get(PROCESS_TAG, "").partition(" ")
    return run_id == run.run_id and is_gone(identity)


def is_gone(identity: str) -> bool:
    """Whether the process of this identity was on this host and no longer exists."""
    host, pid, _ = identity.rsplit(" ", 2)
    if host != socket.gethostname():
        return False
    try:
        process = psutil.Process(int(pid))
        return process.status() == psutil.STATUS_ZOMBIE or _identity(process) != identity
    except psutil.NoSuchProcess:
        return True


def _identity(process: psutil.Process) -> str:
    return f"{socket.gethostname()} {process.pid} {process.create_time():.2f}"


def fail_abandoned_runs(instance: DagsterInstance) -> list[str]:
    """Mark the runs whose process is gone as failed; returns their ids."""
    abandoned = [run for run in instance.get_runs(filters=RunsFilter(statuses=UNFINISHED)) if is_abandoned(run)]
    for run in abandoned:
        instance.report_run_failed(run, "The process of this run no longer exists.")
    return [run.run_id for run in abandoned]
