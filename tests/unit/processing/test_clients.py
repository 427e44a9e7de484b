"""Errors that end a consumer are detected, whether raised or passed to a callback."""

import pytest
from confluent_kafka import KafkaError

from headrace.contracts.errors import Terminal
from headrace.streaming.runtime.clients import FatalErrors


@pytest.mark.parametrize(
    "error",
    [
        KafkaError(KafkaError._FATAL, "fenced"),  # what consume() gives in the place of a record
        KafkaError(KafkaError.FENCED_INSTANCE_ID, "fenced"),
        KafkaError(KafkaError.UNKNOWN_MEMBER_ID, "any", fatal=True),
    ],
)
def test_an_error_that_ends_a_consumer_ends_its_process(error: KafkaError) -> None:
    noticed = FatalErrors()
    noticed.noticed(KafkaError(KafkaError._TRANSPORT, "the broker is unavailable"))
    noticed.check()
    noticed.noticed(error)
    with pytest.raises(Terminal, match="supervisor restarts it"):
        noticed.check()
