"""The published file of a run: it is written whatever failed, with the tables that were built.

Dagster leaves out an asset when one that it waits for fails, so a run that ends without the file writes it then.
"""

from collections.abc import Iterator

import dagster as dg
import structlog

from contracts.errors import HeadraceError
from contracts.settings import Settings
from orchestration.keys import FILE_KEY
from orchestration.metadata import file_metadata
from warehouse.lake import Lake
from warehouse.publication.publish import PublishResult, publish

log = structlog.get_logger(part="publication")


class Publication:
    """The published file of one run."""

    def __init__(self, settings: Settings, lake: Lake) -> None:
        self._settings, self._lake = settings, lake
        self.is_done = False

    def publish(self) -> PublishResult:
        """Publish what is built.

        Raises:
            Transient: PostgreSQL is unavailable.
        """
        result = publish(self._settings, self._lake)
        self.is_done = True
        return result


def publication_of_run(context: dg.InitResourceContext) -> Iterator[Publication]:
    """The published file of a run: where its asset was left out, it is written when the run ends."""
    publication = Publication(context.resources.settings, context.resources.lake)
    yield publication
    if not publication.is_done:
        try:
            result = publication.publish()
        except HeadraceError as error:
            log.warning("what was built is not published", reason=str(error))
            return
        if context.instance is not None:
            event = dg.AssetMaterialization(FILE_KEY, metadata=file_metadata(result))
            context.instance.report_runless_asset_event(event)
