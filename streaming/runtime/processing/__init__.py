"""The processor runtime: consume, transform, produce, with state, exactly once.

All results of a batch (outputs, state, dead letters, the ledger, offsets) are committed in one Kafka transaction.
Processors (`headrace.streaming.processors`) only depend on `processor`, `tables` and `stream_time`, which know no
Kafka.
"""
