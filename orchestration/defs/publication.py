"""The published file of a run. It is written even if tables failed, with the tables that were built.

Dagster skips an asset if one of its inputs fails, so a run whose file was skipped writes it at its end.
"""

from collections.abc import Iterator

import dagster as dg
import structlog

from headrace.contracts.errors import HeadraceError
from headrace.contracts.settings import Settings
from headrace.orchestration.keys import FILE_KEY
from headrace.orchestration.metadata import file_metadata
from headrace.warehouse.lake import Lake
from headrace.warehouse.publication.publish import PublishResult, publish

log = structlog.get_logger(part="publication")


class Publication:
    """The published file of one run."""

    def __init__(self, settings: Settings, lake: Lake) -> None:
        self._settings, self._lake = settings, lake
        self.is_done = False

    def publish(self) -> PublishResult:
        """Publish the tables that are built.

        Raises:
            Transient: PostgreSQL is unavailable.
        """
        result = publish(self._settings, self._lake)
        self.is_done = True
        return result


def publication_of_run(context: dg.InitResourceContext) -> Iterator[Publication]:
    """The published file of a run: if its asset was skipped, it is written when the run ends."""
    publication = Publication(context.resources.settings, context.resources.lake)
    yield publication
    if not publication.is_done:
        try:
            result = publication.publish()
        except HeadraceError as error:
            log.warning("publication failed", reason=str(error))
            return
        if context.instance is not None:
            event = dg.AssetMaterialization(FILE_KEY, metadata=file_metadata(result))
            context.instance.report_runless_asset_event(event)
