"""Values deleted from a state are compacted out of its changelog. Slow, because the broker's log cleaner is."""

import time

from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from headrace.cases.data_science.processors.sentiment_scorer import SentimentScorer
from headrace.contracts.decoding import encode
from headrace.contracts.settings import Settings
from headrace.streaming.runtime import clients
from headrace.streaming.runtime.processing import changelog
from tests.integration.instance_process import PINNED
from tests.integration.processor_instances import instance, read_all, wait_for_inputs
from tests.integration.samples import at, post
from tests.integration.stories import InputRecord, send

SOON = {"segment.ms": "1000", "max.compaction.lag.ms": "1000", "min.cleanable.dirty.ratio": "0.01"}
DEADLINE_SECONDS = 180.0


def test_nothing_of_a_deleted_post_but_its_id_stays_in_the_changelog(fresh: Settings) -> None:
    admin, processor = clients.admin(fresh), PINNED[SentimentScorer.name]()
    changelog.create(admin, processor.name, processor.inputs)
    topic = changelog.changelog_topic(processor.name, "social_media")
    entries = [ConfigEntry(n, v, incremental_operation=AlterConfigOpType.SET) for n, v in SOON.items()]
    resource = ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=entries)
    for future in admin.incremental_alter_configs([resource]).values():
        future.result()

    def send_post(post_id: str, minutes: float, text: str | None) -> int:
        event = post(post_id, time=at(minutes), text=text, deleted=text is None)
        return send(fresh, [InputRecord("social_media", b"A", encode(event))])

    def of_the_post() -> int:
        rows = read_all(fresh, topic.name, topic.partitions)
        return sum(
            b"bluesky/secret" in (key or b"") + (value or b"") and value not in (None, b"") for _, key, value in rows
        )

    with instance(fresh, processor=processor.name):
        count = send_post("secret", 0, "Nobody may know that I love this shop so very much.")
        wait_for_inputs(fresh, count, processor)
        assert of_the_post() == 2, "its hash by its id, and its id by its hash"
        count += send_post("secret", 1, None)
        deadline = time.monotonic() + DEADLINE_SECONDS
        while of_the_post():
            assert time.monotonic() < deadline, "it is still in the changelog's past"
            # Writing to the changelog rolls its segments; only closed segments are compacted.
            count += send_post(f"other-{count}", count, f"Another post, number {count}, as they come all day long.")
            time.sleep(2)
