"""Names in Dagster: the asset keys of topics, tables and models, and the job that others refer to."""

import dagster as dg

from headrace.contracts.landing import QUARANTINE_SUFFIX
from headrace.warehouse.ingest.raw import raw_tables

BUILD_JOB = "build"
_QUARANTINE = QUARANTINE_SUFFIX.replace(".", "_")
FILE_KEY = dg.AssetKey(["warehouse_file"])
"""The published file."""
TOPICS, MODELS = "kafka", "models"
"""The first part of the keys of topics, and of all that belongs to a model."""


def topic_key(name: str) -> dg.AssetKey:
    """The asset of a topic."""
    return dg.AssetKey([TOPICS, name])


def table_key(qualified: str) -> dg.AssetKey:
    """The asset of a table, by its name with schema."""
    return dg.AssetKey(qualified.split("."))


def source_key(qualified: str) -> dg.AssetKey:
    """The asset that materializes a table: a topic's quarantine is registered together with its records."""
    return table_key(qualified.removesuffix(_QUARANTINE) if qualified.startswith("raw.") else qualified)


def model_key(model: str, part: str) -> dg.AssetKey:
    """An asset of a model: `frame`, `version`, `evaluation`, `champion`, `rescoring`."""
    return dg.AssetKey([MODELS, model, part])


def source_keys(qualified: str) -> list[dg.AssetKey]:
    """The assets that a source of a table depends on: tables in `meta` measure all raw tables."""
    if qualified.startswith("meta."):
        return [table_key(raw.qualified) for raw in raw_tables()]
    return [source_key(qualified)]


def table_name(key: dg.AssetKey) -> str:
    """A table's name with schema, by its asset."""
    return ".".join(key.path)


def is_built(key: dg.AssetKey) -> bool:
    """Whether a build materializes the asset: a table or the published file, not a topic or model."""
    return key.path[0] not in (TOPICS, MODELS)
