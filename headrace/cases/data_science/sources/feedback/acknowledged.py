"""Sends records and waits for their acknowledgment: delivery reports as futures of an event loop."""

import asyncio
import threading
from collections.abc import Callable
from typing import Protocol

from confluent_kafka import KafkaError, KafkaException, Message

from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.streaming.runtime import clients, logs
from headrace.streaming.runtime.versions import version_headers

DELIVERY_TIMEOUT_MS = 5_000
MOST_PENDING = 10_000
"""Maximum records that wait for the broker; beyond this, it counts as unavailable."""
_POLL_SECONDS = 0.05
_CLOSE_SECONDS = 10.0

_Done = tuple["asyncio.Future[None]", KafkaError | None]


class Sender(Protocol):
    """Takes records."""

    async def send(self, topic: str, key: bytes, value: bytes | None) -> None:
        """Return once the record is acknowledged.

        Raises:
            Transient: it is not acknowledged; the broker may have stored it anyway.
        """
        ...

    async def close(self) -> None:
        """Wait for records in transit."""
        ...


class Acknowledged:
    """An idempotent producer for one event loop, served by a thread of its own."""

    def __init__(self, settings: Settings) -> None:
        self._loop = asyncio.get_running_loop()
        self._log = logs.logger(part="source", source="feedback")
        self._away = False
        self._pending = 0
        self._done: list[_Done] = []
        self._closing = threading.Event()
        self._producer = clients.producer(
            settings,
            **{
                "message.timeout.ms": DELIVERY_TIMEOUT_MS,
                "linger.ms": 2,
                "error_cb": self._failed,
                "log_level": 0,
            },
        )
        self._thread = threading.Thread(target=self._serve, name="deliveries", daemon=True)
        self._thread.start()

    async def send(self, topic: str, key: bytes, value: bytes | None) -> None:
        # While the broker is unavailable, one record at a time probes it; other requests fail immediately.
        if self._pending >= MOST_PENDING or (self._away and self._pending):
            raise Transient("Kafka does not answer.")
        arrived: asyncio.Future[None] = self._loop.create_future()
        self._pending += 1
        try:
            headers = version_headers(topic)
            self._producer.produce(topic, value, key, on_delivery=self._reporting(arrived), headers=headers)  # pyright: ignore[reportArgumentType]
            await arrived
        except (BufferError, KafkaException) as error:
            raise Transient("Kafka did not accept a record.") from error
        finally:
            self._pending -= 1

    async def close(self) -> None:
        await asyncio.to_thread(self._producer.flush, _CLOSE_SECONDS)
        self._closing.set()
        self._thread.join(1.0)

    def _reporting(self, arrived: "asyncio.Future[None]") -> Callable[[KafkaError | None, Message], None]:
        def on_delivery(error: KafkaError | None, _message: Message) -> None:
            self._done.append((arrived, error))

        return on_delivery

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(_POLL_SECONDS)
            if self._done:
                done, self._done = self._done, []
                self._loop.call_soon_threadsafe(self._resolve, done)

    def _resolve(self, done: list[_Done]) -> None:
        for arrived, error in done:
            if error is None:
                self._away = False
            if arrived.done():
                continue  # the request was canceled
            if error is None:
                arrived.set_result(None)
            else:
                arrived.set_exception(KafkaException(error))

    def _failed(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN and not self._away:  # noqa: SLF001  its public name is the same
            self._away = True
            self._log.warning("the broker is unavailable")


class Unsent:
    """Takes records and forgets them: the service without Kafka behind it, to compare with."""

    async def send(self, topic: str, key: bytes, value: bytes | None) -> None:  # noqa: ARG002  as a `Sender` has it
        return

    async def close(self) -> None:
        return
