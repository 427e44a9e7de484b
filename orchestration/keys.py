"""Asset keys: how topics and tables are called in Dagster, and back."""

import dagster as dg

from contracts.landing import QUARANTINE_SUFFIX
from warehouse.raw import raw_tables

_QUARANTINE = QUARANTINE_SUFFIX.replace(".", "_")
FILE_KEY = dg.AssetKey(["warehouse_file"])
"""The published file."""


def topic_key(name: str) -> dg.AssetKey:
    """The asset that stands for a topic."""
    return dg.AssetKey(["kafka", name])


def table_key(qualified: str) -> dg.AssetKey:
    """The asset of a table, by its name with schema."""
    return dg.AssetKey(qualified.split("."))


def source_key(qualified: str) -> dg.AssetKey:
    """The asset that makes a table: a topic's quarantine is registered together with its records."""
    return table_key(qualified.removesuffix(_QUARANTINE) if qualified.startswith("raw.") else qualified)


def model_key(model: str, part: str) -> dg.AssetKey:
    """An asset of a model: `frame`, `version`, `evaluation`, `champion`, `rescoring`."""
    return dg.AssetKey(["models", model, part])


def source_keys(qualified: str) -> list[dg.AssetKey]:
    """The assets that a table is made after: what is in `meta` is measured of all raw tables."""
    if qualified.startswith("meta."):
        return [table_key(raw.qualified) for raw in raw_tables()]
    return [source_key(qualified)]


def table_name(key: dg.AssetKey) -> str:
    """A table's name with schema, by its asset."""
    return ".".join(key.path)
