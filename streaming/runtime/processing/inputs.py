"""Checks whether the broker still holds a processor's last inputs, and finds where to resume if it does not."""

from collections.abc import Mapping

from confluent_kafka import Message
from confluent_kafka.admin import AdminClient

from headrace.contracts.settings import Settings
from headrace.contracts.topic import TopicAndPartition
from headrace.streaming.runtime import logs, lookup, metrics
from headrace.streaming.runtime.processing.ledger import Ledger
from headrace.streaming.runtime.topics import offset_bounds


def lost_inputs(
    settings: Settings, admin: AdminClient, ledgers: Mapping[TopicAndPartition, Ledger], *, carefully: bool = False
) -> dict[TopicAndPartition, int]:
    """The first lost offset of each partition that no longer holds the last record of its ledger.

    Found by leader epochs. Without them it is the end of the log, or the ledger's position if another record precedes
    it. For `carefully`, see `lookup.first_records`.

    Raises:
        Transient: the broker did not answer.
    """
    bounds = offset_bounds(admin, ledgers)
    ledgers = {key: book for key, book in ledgers.items() if key in bounds}
    places = {key: lookup.Place(book.next, book.last_record, book.leader_epoch) for key, book in ledgers.items()}
    with lookup.reader(settings) as reader:
        suspects = lookup.lost_before(settings, reader, places, bounds, _print_of, carefully=carefully)
        lost: dict[TopicAndPartition, int] = {}
        for key in sorted(suspects):
            (low, end), book = bounds[key], ledgers[key]
            high = max(low, min(book.next, end))
            known = book.leader_epoch is not None
            lost[key] = lookup.first_newer(settings, reader, key, book.leader_epoch or 0, low, high) if known else high
        return lost


def held(
    settings: Settings,
    admin: AdminClient,
    processor: str,
    ledgers: Mapping[TopicAndPartition, Ledger],
    *,
    carefully: bool = False,
) -> dict[TopicAndPartition, Ledger]:
    """The ledgers, rewound where the broker lost inputs, which is logged. For `carefully`, see `lookup.first_records`.

    Raises:
        Transient: the broker did not answer.
    """
    found = dict(ledgers)
    for key, lost in lost_inputs(settings, admin, ledgers, carefully=carefully).items():
        book = ledgers[key]
        found[key] = book.begun_again(lost)
        metrics.LOST_INPUTS.labels(processor, key[0]).inc(book.next - lost)
        logs.logger(part=processor).error(
            "the broker lost inputs that were processed",
            topic=key[0],
            partition=key[1],
            from_offset=lost,
            to_offset=book.next,
            remedy="Their results are kept; the new records at these offsets are processed."
            " See docs/explanation/processing.md.",
        )
    return found


def _print_of(_key: TopicAndPartition, message: Message) -> str:
    return lookup.record_print(message)
