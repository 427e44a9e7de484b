"""Resets a processor, so that it processes its inputs from the beginning.

Earlier outputs stay in the output topic and are produced again; since events have stable ids, the warehouse counts them
once.
"""

import shutil
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from headrace.contracts.errors import Terminal, Transient
from headrace.contracts.settings import Settings
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.processing.changelog import changelog_topic
from headrace.streaming.runtime.processing.processor import Processor
from headrace.streaming.runtime.processing.worker import group_of
from headrace.streaming.runtime.topics import TIMEOUT_SECONDS

_ABSENT = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_ID_NOT_FOUND)


def reset(settings: Settings, processor: Processor) -> None:
    """Delete the group's offsets, the changelogs and the local stores, in this order.

    The group is deleted first: the broker rejects that while an instance is still a member.

    Raises:
        Terminal: an instance of the processor is still running.
        Transient: the broker failed the request.
    """
    admin = clients.admin(settings)
    group = group_of(settings, processor.name)
    changelogs = [changelog_topic(processor.name, topic).name for topic in processor.inputs]
    groups = admin.delete_consumer_groups([group], request_timeout=TIMEOUT_SECONDS)
    _done(groups[group], processor.name)
    for future in admin.delete_topics(changelogs, operation_timeout=TIMEOUT_SECONDS).values():
        _done(future, processor.name)
    shutil.rmtree(settings.root / "state" / processor.name, ignore_errors=True)


def _done(future: Future[Any], name: str) -> None:
    try:
        future.result()
    except KafkaException as error:
        code = error.args[0].code()
        if code == KafkaError.NON_EMPTY_GROUP:
            raise Terminal(
                f"{name} is still running, or ended less than ten seconds ago.",
                remedy="Stop it with `headrace down`, or end the command that runs it, and wait a moment.",
            ) from error
        if code not in _ABSENT:
            raise Transient(f"Kafka rejected the request: {error.args[0].str()}.") from error
