"""Reading what librdkafka cannot read or must not: one rule for every reader of a topic.

A batch that cannot be read is set apart: its offsets, its size and the reason are recorded, and reading resumes after
it. `batches` knows Kafka's record format and decides what can be read, `broker` fetches raw batches, `reader` makes
messages of them or sets them apart, and `memory` ends a process that a batch would fill up.
"""
