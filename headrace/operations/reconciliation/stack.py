"""Reconciliation of the whole stack: reads the accounts of all programs and passes them to `compare`."""

import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime

from headrace.contracts.delivery import DELIVERIES
from headrace.contracts.reconciliation import Place
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.operations.reconciliation.compare import Reconciliation, reconcile
from headrace.streaming.connect.delivered import delivery_accounts, rejected
from headrace.streaming.landing.audit import audit_topics
from headrace.streaming.processors.registry import all_processors
from headrace.streaming.runtime.health import quiet_admin, require_broker
from headrace.streaming.runtime.open_transactions import open_transactions
from headrace.streaming.runtime.processing.progress import processor_accounts
from headrace.warehouse.ingest import unregistered_files
from headrace.warehouse.ingest.connect_staging import staged_accounts
from headrace.warehouse.ingest.raw import registered_accounts
from headrace.warehouse.ingest.rejections import landed_rejections, letters_table
from headrace.warehouse.lake import Lake, missing_files

POLL_SECONDS = 1.0


def reconcile_stack(settings: Settings, topics: Iterable[str] = tuple(TOPICS)) -> Reconciliation:
    """Compare the topics, the landing positions and the registered rows, as of now.

    Raises:
        Transient: Kafka or PostgreSQL is unavailable.
    """
    require_broker(settings)
    names = tuple(topics)
    # The warehouse first: anything registered after this is still in the files that the audit reads.
    with Lake.open(settings) as lake:
        gone = missing_files.find(lake.postgres())
        registered = [account for name in names for account in registered_accounts(lake, name)]
        unreadable = {file.table for file in gone}
        landed_letters = _landed_letters(lake, unreadable)
        rejections = {topic: {**landed, **_rejected_now(settings, topic)} for topic, landed in landed_letters.items()}
        staged = staged_accounts(lake, unreadable, rejections)
        lost = [(file.path, file.table, file.rows) for file in gone]
        lost += missing_files.taken_out(lake.postgres()) + unregistered_files.listed(lake)
    if not settings.connect:
        # Without Connect, nothing is delivered.
        staged = [replace(account, pending=0) for account in staged]
    # The processors' ledgers before the topics, so that the scan covers all records in them.
    processors = processor_accounts(settings, [made() for made in all_processors().values()])
    positions = {(account.topic_id, account.partition): account.position for account in registered}
    topics_now = audit_topics(settings, positions, topics=names)
    deliveries = delivery_accounts(settings, landed_letters) if settings.connect else []
    held_back = open_transactions(settings, quiet_admin(settings), [(t.topic, t.partition) for t in topics_now])
    return reconcile(
        *(topics_now, registered, processors, deliveries, staged),
        [f"{each.reason}. {each.remedy}" for each in held_back],
        [f"{path} ({table}, {rows:,} rows)" for path, table, rows in lost],
    )


def _landed_letters(lake: Lake, unreadable: Collection[str]) -> dict[str, dict[Place, datetime]]:
    """By delivered topic, the records that Connect rejected and when, from landed dead letters that can be read."""
    return {
        topic: {} if letters_table(delivery) in unreadable else landed_rejections(lake, delivery)
        for topic, delivery in DELIVERIES.items()
    }


def _rejected_now(settings: Settings, topic: str) -> dict[Place, datetime]:
    """The same from the dead letters in Kafka: some have not landed yet."""
    return rejected(settings, DELIVERIES[topic]) if settings.connect else {}


def reconcile_when_settled(
    settings: Settings, *, wait_seconds: float, on_wait: Callable[[Reconciliation], None] | None = None
) -> Reconciliation:
    """Reconcile repeatedly, for at most `wait_seconds`, while everything is sound but something is still pending."""
    deadline = time.monotonic() + wait_seconds
    while True:
        result = reconcile_stack(settings)
        if result.complete or not result.sound or time.monotonic() >= deadline:
            return result
        if on_wait is not None:
            on_wait(result)
        time.sleep(POLL_SECONDS)
