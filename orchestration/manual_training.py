"""Reports a training that was run by `headrace train` to Dagster, whose UI then shows it with those of the schedule."""

import dagster as dg

from headrace.contracts import clock
from headrace.contracts.settings import Settings
from headrace.operations.training import Training
from headrace.orchestration.instance.config import opened
from headrace.orchestration.keys import model_key
from headrace.orchestration.metadata import evaluation_metadata, frame_metadata, verdict_metadata, version_metadata

BY_HAND = {"trained by": "headrace train"}


def report(settings: Settings, training: Training) -> None:
    """Store a materialization of each asset of the model, in the partition of today."""
    made = {
        "frame": frame_metadata(training.frame),
        "version": version_metadata(training.version, training.trained),
        "evaluation": evaluation_metadata(training.trained, training.frame),
        "champion": verdict_metadata(training.version, training.verdict),
    }
    partition = f"{clock.now():%Y-%m-%d}"
    with opened(settings) as instance:
        for part, metadata in made.items():
            key = model_key(training.frame.name, part)
            event = dg.AssetMaterialization(key, metadata=BY_HAND | metadata, partition=partition)
            instance.report_runless_asset_event(event)
