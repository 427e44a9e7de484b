"""External changes of a processor's partitions: more of them, expired records, a deleted changelog."""

import time

from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions

from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.processing import changelog, resume
from headrace.streaming.runtime.topics import offset_bounds, partition_counts, topic_ids
from tests.integration.instance_process import Numbering
from tests.integration.processor_instances import instance, wait_for_inputs
from tests.integration.test_processing import feed

STATE = changelog.changelog_topic(Numbering.name, "orders").name


def test_a_processor_continues_when_its_input_gets_more_partitions(fresh: Settings) -> None:
    admin, before = clients.admin(fresh), TOPICS["orders"].partitions
    count = feed(fresh, 200)
    with instance(fresh) as running:
        wait_for_inputs(fresh, count)
        for future in admin.create_partitions([NewPartitions("orders", before + 2)]).values():
            future.result()
        deadline = time.monotonic() + 60
        while partition_counts(admin, [STATE])[STATE] < before + 2:
            count += feed(fresh, 50, count)
            assert time.monotonic() < deadline, running.log.read_text()
            time.sleep(0.5)
        count += feed(fresh, 200, count)
        books = wait_for_inputs(fresh, count)
        running.finish()
        assert "input has more partitions than declared" in running.log.read_text()
    assert sum(each.inputs for each in books.values()) == count
    added = {key for key, book in books.items() if resume.ADDED_LATER in book.notes}
    assert added == {("orders", before), ("orders", before + 1)}
    # As after `headrace down` and `up`.
    count += feed(fresh, 200, count)
    with instance(fresh) as again:
        books = wait_for_inputs(fresh, count)
        again.finish()
    assert sum(each.inputs for each in books.values()) == count


def test_records_that_expired_unread_stop_a_processor_with_a_remedy(fresh: Settings) -> None:
    count = feed(fresh, 100)
    with instance(fresh) as running:
        wait_for_inputs(fresh, count)
        running.finish()
    feed(fresh, 100, count)
    admin = clients.admin(fresh)
    (_, end) = offset_bounds(admin, [("orders", 1)])["orders", 1]
    for future in admin.delete_records([TopicPartition("orders", 1, end)]).values():
        future.result()
    with instance(fresh) as again:
        assert again.wait_for_end() == 1
        log = again.log.read_text()
    assert f"to {end - 1} of orders-1 expired before numbering had read them" in log
    assert "headrace processor reset" in log


def test_a_deleted_changelog_stops_a_processor_with_a_remedy(fresh: Settings) -> None:
    count, admin = feed(fresh, 100), clients.admin(fresh)
    with instance(fresh) as running:
        wait_for_inputs(fresh, count)
        admin.delete_topics([STATE])[STATE].result()
        while topic_ids(admin, [STATE]):
            time.sleep(0.1)
        feed(fresh, 100, count)
        assert running.wait_for_end() == 1
    with instance(fresh) as again:
        assert again.wait_for_end() == 1
        log = again.log.read_text()
    assert f"its changelog {STATE} holds no state of that: it was deleted or emptied" in log
    assert "headrace processor reset" in log
