"""Replays dead letters into their topic, each at most once, even if a replay is interrupted or repeated.

    1. fence any other replay, and abort its open transaction
    2. read which letters were replayed before
    3. read the letters to the current end, in portions
    4. for each portion: produce the records, and a note for each, in one transaction

The notes are in a separate topic, `NOTES`, and are retained longer than the letters. So a replay that is killed or run
again replays the rest. A record that is rejected again becomes a new dead letter, which can be replayed in turn.

A record of an earlier version of its contract is written in the current one, which every reader accepts, Connect too.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import cast
from uuid import UUID

import orjson
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from headrace.contracts import dead_letters as headers
from headrace.contracts.decoding import InvalidRecord, decode_record, record_version
from headrace.contracts.errors import Transient
from headrace.contracts.settings import Settings
from headrace.contracts.topic import DAY_MS, Topic
from headrace.contracts.topics import TOPICS
from headrace.contracts.types import Event
from headrace.contracts.versions import VERSION_HEADER, versions_of
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.dead_letters.letters import Criteria, Letter, bounds, read
from headrace.streaming.runtime.failpoints import failpoint
from headrace.streaming.runtime.health import wait_for_topics
from headrace.streaming.runtime.publishing import check_size, encode_event
from headrace.streaming.runtime.reading import committed_records
from headrace.streaming.runtime.topics import create_topics, topic_ids, uncommitted_end
from headrace.streaming.runtime.transactions import Transactions

NOTES = Topic("headrace.replays", "ecommerce", "id of the dead-letter topic / offset", None, 1, 60 * DAY_MS)
"""Retained longer than dead letters, which are retained for 30 days."""
PORTION_RECORDS = 200
BEFORE = "replayed before"


@dataclass
class Replayed:
    """The result of a replay: the letters replayed (with `dry_run`, to be replayed), and the others by reason."""

    topic: str
    replayed: int = 0
    left: Counter[str] = field(default_factory=Counter[str])


def noted_offsets(settings: Settings, admin: AdminClient, topic_id: UUID) -> set[int]:
    """The offsets of replayed letters in one dead-letter topic."""
    if not topic_ids(admin, [NOTES.name]):
        return set()
    end = uncommitted_end(admin, NOTES.name, 0)
    keys = (message.key() or b"" for message in committed_records(settings, NOTES.name, 0, end))
    prefix = f"{topic_id}/".encode()
    return {int(key.removeprefix(prefix)) for key in keys if key.startswith(prefix)}


def refusal(letter: Letter) -> str | None:
    """Why a letter cannot be replayed with the current contract; None if it can."""
    topic = TOPICS[letter.topic]
    if letter.value is None:
        return "no value"
    if letter.is_cut_short:
        return "cut short: only its beginning was kept"
    if topic.compacted and letter.key is None:
        return "no key, which the topic requires"
    try:
        check_size(letter.key or b"", letter.value)
        decode_record(cast("type[Event]", topic.contract), letter.value, letter.headers)
    except InvalidRecord as invalid:
        return f"still invalid: {invalid}"
    return None


def replay(settings: Settings, topic: str, wanted: Criteria, *, dry_run: bool = False) -> Replayed:
    """Replay the selected letters that are valid now.

    Raises:
        Transient: Kafka failed; running it again replays the rest.
        Terminal: the dead-letter topic does not exist.
    """
    admin = clients.admin(settings)
    topic_id, start, end = bounds(admin, topic)
    result = Replayed(topic)
    if dry_run:
        done = noted_offsets(settings, admin, topic_id)
        result.replayed = sum(1 for _ in _chosen(read(settings, topic, start, end), wanted, done, result.left))
        return result
    try:
        create_topics(admin, [NOTES])
        wait_for_topics(admin, {NOTES.name: NOTES})
        # 1. Fence.
        transactions = Transactions(settings, f"{settings.database}-replay")
        transactions.start()
        # 2. After fencing, no other process adds notes.
        done = noted_offsets(settings, admin, topic_id)
        # 3. The letters.
        letters = _chosen(read(settings, topic, start, end), wanted, done, result.left)
        while portion := list(islice(letters, PORTION_RECORDS)):
            # 4. Atomically.
            with transactions.transaction():
                for letter in portion:
                    _send(transactions, topic_id, letter)
                failpoint("replay.produced")
            failpoint("replay.committed")
            result.replayed += len(portion)
    except (KafkaException, Transient) as error:
        reason = f"{error.args[0].str()}." if isinstance(error, KafkaException) else str(error)
        raise Transient(f"The replay ended early: {reason} Run it again; nothing is replayed twice.") from error
    return result


def record_of(letter: Letter) -> tuple[bytes | None, list[tuple[str, bytes | None]]]:
    """Value and headers of the replayed record: its own, in the current version of the contract, and its origin."""
    contract, value, own = cast("type[Event]", TOPICS[letter.topic].contract), letter.value, replayed_headers(letter)
    versions = versions_of(contract)
    if value is None or record_version(letter.headers) == versions.current:
        return value, own
    upcast = encode_event(decode_record(contract, value, letter.headers))
    return upcast, [*(each for each in own if each[0] != VERSION_HEADER), *versions.header]


def replayed_headers(letter: Letter) -> list[tuple[str, bytes | None]]:
    """Headers of the replayed record: its own, and its origin."""
    own = [(name, value) for name, value in letter.headers if not name.startswith(_NOT_ITS_OWN)]
    return [*own, (headers.REPLAYED_FROM, letter.place.encode()), (headers.ORIGIN, letter.origin.encode())]


_NOT_ITS_OWN = (headers.PREFIX, headers.CONNECT_PREFIX)


def _chosen(letters: Iterator[Letter], wanted: Criteria, done: set[int], left: Counter[str]) -> Iterator[Letter]:
    for letter in letters:
        if not wanted.accept(letter):
            continue
        why = BEFORE if letter.offset in done else refusal(letter)
        if why is None:
            yield letter
        else:
            left[why] += 1


def _send(transactions: Transactions, topic_id: UUID, letter: Letter) -> None:
    note = {"letter": letter.place, "origin": letter.origin}
    value, own = record_of(letter)
    transactions.send(letter.topic, value, letter.key, headers=own)
    transactions.send(NOTES.name, orjson.dumps(note), f"{topic_id}/{letter.offset}".encode())
