"""The custom source of the documentation works as described, and resumes from its position."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.streaming.sources.live.registry import configured, open_source
from tests.unit.sources.reading import Reading

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "live-sources.md"


@pytest.fixture
def _tides(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example as a user's module."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    module = ModuleType("harbour")
    exec(code, module.__dict__)
    monkeypatch.setitem(sys.modules, "harbour", module)


@pytest.mark.usefixtures("_tides")
def test_the_documented_source_reads_counts_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tides = tmp_path / "tides"
    monkeypatch.setenv("TIDES_FILE", str(tides))
    tides.write_text("2026-11-24T06:00:00Z,3.2\nrubbish\n\n")
    (source,) = open_source(Settings(), "harbour:Tides")
    first = Reading(source).wait_for(3)
    assert [event.event_id for event in first.events] == ["tides-2026-11-24T06:00:00Z"]
    assert (first.rejected, first.ignored, first.position) == (["not a tide: ValueError"], ["empty line"], 3)
    with tides.open("a") as file:
        file.write("2026-11-24T07:00:00Z,3.0\n")
    again: Any = Reading(source, first.position).wait_for(1)
    assert [event.temperature_c for event in again.events] == [3.0]


@pytest.mark.usefixtures("_tides")
def test_a_name_that_is_no_source_is_refused_with_the_remedy() -> None:
    assert configured(Settings(sources=("access-log", "harbour:Tides"))) == ["access-log", "harbour:Tides"]
    for name, message in (
        ("tides", "no live source"),
        ("harbour:None", "cannot be imported"),
        ("nowhere:X", "cannot be"),
    ):
        with pytest.raises(Terminal, match=message):
            open_source(Settings(), name)
    with pytest.raises(Terminal, match="no live source tides"):
        configured(Settings(sources=("tides",)))
