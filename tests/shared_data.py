"""Where the real data lies that several suites read. The repository holds none of it."""

from pathlib import Path

_ROOT = Path(__file__).parents[2] / "shared" / "data"


def shared(path: str) -> Path:
    """A file or folder of the shared data. Missing data is a failure, never a skip."""
    found = _ROOT / path
    assert found.exists(), f"{found} is missing: the tests read real data from ../shared/data beside the repository"
    return found
