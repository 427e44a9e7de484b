"""The exit code of every command and program."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The codes. `RESTART` is EX_TEMPFAIL of sysexits; `INTERRUPTED` is what shells report for SIGINT."""

    SUCCESS = 0
    FAILURE = 1
    USAGE = 2
    RESTART = 75
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.SUCCESS: "The command did what it was asked to do. A check found nothing wrong.",
    ExitCode.FAILURE: "An error, with one sentence on standard error that names the remedy. Or the negative result of a"
    " check (see below).",
    ExitCode.USAGE: "The command line has an unknown option or an invalid value. Nothing was done.",
    ExitCode.RESTART: "A program of the stack ended so that a new process can continue, as when its memory is full or"
    " the outcome of a transaction is unknown. The supervisor starts it again.",
    ExitCode.INTERRUPTED: "Ctrl-C or SIGTERM ended the command before it was done. What was committed stays.",
}

NEGATIVE_RESULTS = {
    "build": "a table or a check failed",
    "check": "there is a mistake",
    "connect status": "a connector does not run",
    "contract diff": "the change is breaking",
    "demo": "the counts do not agree",
    "doctor": "a check failed",
    "models promote": "the version was not promoted",
    "plan": "a table cannot be built, or would break an audit",
    "status": "a program does not run, or ends again and again",
    "test": "a unit test failed",
    "verify": "a record is lost or duplicated, or not landed yet",
}
"""When these commands exit with `FAILURE` without an error."""
