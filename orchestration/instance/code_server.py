"""Dagster's code server, whose runs are forks of a process that has imported what they need.

Dagster's own starts an interpreter for each run, which imports for longer (7 s of processor time) than a build takes.
The process that is forked does nothing but import: its libraries' idle threads hold no locks that a fork could miss.
The first run waits for the imports, later ones do not.
"""

from headrace.orchestration.instance.internals import serve_code

PRELOADED = ["headrace.orchestration.definitions", "dagster_postgres"]

if __name__ == "__main__":
    serve_code(PRELOADED)
