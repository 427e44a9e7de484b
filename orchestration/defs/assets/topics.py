"""Kafka's topics as external assets: what Dagster shows of the streams.

Dagster neither creates nor polls topics. A sensor reads their state from the landing positions in PostgreSQL and passes
it in as `TopicState`s.
"""

from collections.abc import Iterable

import dagster as dg

from headrace.contracts.fields import fields_of
from headrace.contracts.topic import DAY_MS, DEAD_LETTER_SUFFIX, Topic
from headrace.contracts.topics import TOPICS
from headrace.orchestration.keys import topic_key
from headrace.streaming.landing.positions import TopicState

LAYER = "topics"


def topic_specs(topics: Iterable[Topic] = tuple(TOPICS.values())) -> list[dg.AssetSpec]:
    """One external asset per topic, dead-letter topics included."""
    return [_spec(topic) for topic in topics]


def _spec(topic: Topic) -> dg.AssetSpec:
    metadata: dict[str, object] = {
        "partitions": topic.partitions,
        "record_key": topic.key,
        "retention": "compacted" if topic.compacted else f"{topic.retention_ms // DAY_MS} days",
    }
    if topic.contract is not None:
        metadata["contract"] = f"{topic.contract.__module__}.{topic.contract.__name__}"
        metadata["dagster/column_schema"] = dg.TableSchema(
            [
                dg.TableColumn(
                    field.name,
                    field.kind,
                    description=field.description,
                    constraints=dg.TableColumnConstraints(nullable=field.nullable),
                )
                for field in fields_of(topic.contract)
            ]
        )
    return dg.AssetSpec(
        topic_key(topic.name),
        group_name=f"{topic.domain}/{LAYER}",
        kinds={"kafka"},
        description=_description(topic),
        metadata=metadata,
    )


def _description(topic: Topic) -> str:
    if topic.contract is None:
        intended = topic.name.removesuffix(DEAD_LETTER_SUFFIX)
        return f"Records rejected on their way into `{intended}`, with the reason in their headers."
    return (topic.contract.__doc__ or topic.name).strip()


def observation(state: TopicState) -> dg.AssetObservation:
    """The observation of a topic: how far its landing has progressed, and its lag."""
    metadata: dict[str, dg.MetadataValue] = {
        "rows_landed": dg.MetadataValue.int(state.rows_landed),
        "quarantined": dg.MetadataValue.int(state.quarantined),
        "next_offset_sum": dg.MetadataValue.int(state.next_offset_sum),
    }
    if state.lag is not None:
        metadata["lag"] = dg.MetadataValue.int(state.lag)
    if state.last_commit_at is not None:
        metadata["last_landing"] = dg.MetadataValue.timestamp(state.last_commit_at)
    if state.stopped_partitions:
        metadata["stopped_partitions"] = dg.MetadataValue.text("\n".join(state.stopped_partitions))
    return dg.AssetObservation(asset_key=topic_key(state.topic), metadata=metadata)


TOPIC_ASSETS = topic_specs()
