"""The lake itself: the connection, the builder's lock, snapshots, watermarks and the cache of the latest changes.

Nothing here depends on the content of a table. Other packages import `Lake` and the names below from here.
"""

from headrace.warehouse.lake.connection import CATALOG, METADATA, METADATA_SCHEMA, Lake
from headrace.warehouse.lake.text import first_line, quoted

__all__ = ["CATALOG", "METADATA", "METADATA_SCHEMA", "Lake", "first_line", "quoted"]
