"""Reads what librdkafka cannot or must not read. All readers of a topic use this.

A batch that cannot be read is set apart: its offsets, its size and the reason are recorded, and reading resumes after
it. `batches` parses Kafka's record format and decides what can be read, `broker` fetches raw batches, `reader` turns
them into messages or sets them apart, and `memory` ends a process that exceeds its memory limit.
"""
