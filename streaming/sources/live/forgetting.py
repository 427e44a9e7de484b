"""Forgets the positions of a live source, so that it reads its input from the beginning.

    1. fence a process of this source that still runs, and end what it left open    (`Transactions.start`)
    2. read the positions
    3. delete all of them in one transaction

The events stay. Those that are read again have the same ids, so the warehouse counts them once.
"""

from headrace.contracts.settings import Settings
from headrace.streaming.runtime.transactions import Transactions
from headrace.streaming.sources.live import positions


def forget(settings: Settings, source: str) -> list[str]:
    """Returns the streams whose positions were deleted.

    Raises:
        Transient: Kafka failed it; no position was deleted, or all were.
    """
    positions.create(settings)
    transactions = Transactions(settings, positions.transactional_id(settings, source))
    transactions.start()
    streams = sorted(positions.read(settings, source))
    if streams:
        partition = positions.partition_of(source)
        with transactions.transaction():
            for stream in streams:
                transactions.send(positions.NAME, None, positions.key_of(source, stream), partition=partition)
    return streams
