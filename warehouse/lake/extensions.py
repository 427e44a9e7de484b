"""The DuckDB extensions that the lake needs, from Python packages where there is one for this platform."""

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import duckdb

from headrace.contracts.errors import Terminal

EXTENSIONS = ("postgres_scanner", "ducklake")


def load(connection: duckdb.DuckDBPyConnection) -> None:
    """Load the extensions; downloads those that have no package.

    Raises:
        Terminal: a package is for another version of DuckDB.
    """
    for name in EXTENSIONS:
        path = _packaged(name)
        if path is None:
            connection.install_extension(name)
        connection.load_extension(name if path is None else str(path))


def _packaged(name: str) -> Path | None:
    """The extension's file in its Python package, signed by DuckDB; None on platforms without the package."""
    package = f"duckdb_extension_{name}"
    if find_spec(package) is None:
        return None
    path = Path(str(files(package))) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    if not path.is_file():
        raise Terminal(
            f"{package} has no extension for DuckDB {duckdb.__version__}.",
            remedy="Install the versions in the lock file, with `make setup`.",
        )
    return path
