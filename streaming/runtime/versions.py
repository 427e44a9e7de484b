"""The headers of the records that Headrace produces: the version of the topic's contract, if it is above 1."""

from headrace.contracts.topics import TOPICS
from headrace.contracts.versions import versions_of

Headers = list[tuple[str, str | bytes | None]]


def version_headers(topic: str) -> Headers | None:
    """Headers of a record in the current version of the topic's contract; None if it needs none."""
    declared = TOPICS.get(topic)
    if declared is None or declared.contract is None:
        return None
    return [*versions_of(declared.contract).header] or None
