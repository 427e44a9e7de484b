"""The processor runtime: consume, transform, produce, with state, exactly once.

Everything that a batch comes to (outputs, state, dead letters, the ledger, offsets) is committed in one Kafka
transaction. A processor itself (`streaming.processors`) knows nothing of this.
"""
