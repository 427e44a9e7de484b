"""Sends each event once, even if its request is repeated or concurrent."""

import asyncio
from datetime import datetime

from msgspec import structs

from headrace.cases.data_science.sources.feedback.acknowledged import Sender
from headrace.cases.data_science.sources.feedback.seen import Seen, digest
from headrace.cases.data_science.sources.feedback.submissions import Record, Rejected, content, scrubbed
from headrace.cases.ecommerce.topics.customers import Customer
from headrace.contracts.errors import Transient
from headrace.streaming.sources.personal import Scrub, unchanged

RETRY_AFTER_SECONDS = 5


class Intake:
    """Passes records to a sender, and remembers them."""

    def __init__(self, sender: Sender, seen: Seen, scrub: Scrub = unchanged) -> None:
        self._sender = sender
        self._seen = seen
        self._scrub = scrub
        self._under_way: dict[tuple[str, str], asyncio.Future[None]] = {}

    async def take(self, record: Record) -> None:
        """Return once the event is acknowledged, now or before.

        Raises:
            Rejected: the key was used for other content, or the broker is unavailable.
        """
        record = scrubbed(record, self._scrub)
        identity = (record.topic, record.event.event_id)
        while (other := self._under_way.get(identity)) is not None:
            await asyncio.wait([other])
        known = self._seen.get(record)
        if known is not None and known.content != digest(content(record)):
            raise Rejected(422, "This key was used for other content: use a new one.")
        if known is not None and known.acknowledged:
            return
        if known is not None:
            # It may have arrived the first time: the same event, so the same time.
            record = _at(record, known.event_time)
        self._seen.put(record, acknowledged=False)
        self._under_way[identity] = done = asyncio.get_running_loop().create_future()
        try:
            await self._sender.send(record.topic, record.key, record.value)
            if isinstance(record.event, Customer) and record.event.deleted:
                await self._sender.send(record.topic, record.key, None)
        except Transient as error:
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            raise Rejected(503, "It could not be stored just now: send it again.", headers) from error
        finally:
            del self._under_way[identity]
            done.set_result(None)
        self._seen.put(record, acknowledged=True)


def _at(record: Record, time: datetime) -> Record:
    return Record(record.topic, record.key, structs.replace(record.event, event_time=time))
