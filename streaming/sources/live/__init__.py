"""Live sources: what is tailed, polled or streamed without an end, each event exactly once.

`source` says what a source is, `runner` commits what it reads, `registry` names those there are.
"""
