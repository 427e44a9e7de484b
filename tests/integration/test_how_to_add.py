"""The guides for contributors, each followed in a copy of the working copy: files, commands and their output."""

import os
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from headrace.contracts.settings import Settings
from headrace.warehouse.lake import Lake
from tests.integration.landed import Landing
from tests.integration.samples import at, order
from tests.pages import Command, Shell

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "how-to"
GUIDES = ("add-a-mart", "add-a-topic", "add-a-processor")
MOST_TO_KNOW = 7


@pytest.fixture
def copy(tmp_path: Path) -> Shell:
    """The working copy's files, and a shell in which they count, not the installed ones."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).exists():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name, follow_symlinks=False)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return Shell(tmp_path, os.environ | {"PATH": path, "PYTHONPATH": str(tmp_path)})


@pytest.mark.parametrize("guide", GUIDES)
def test_a_guide_lists_seven_things_to_know_at_most(guide: str) -> None:
    _, section = (PAGES / f"{guide}.md").read_text().split("## What you need to know\n")
    points = re.findall(r"^\d+\. ", section.partition("\n## ")[0], re.MULTILINE)
    assert 1 <= len(points) <= MOST_TO_KNOW


def test_the_guide_to_a_mart_leads_to_a_mart_that_builds(copy: Shell, fresh: Settings) -> None:
    assert copy.follow(PAGES / "add-a-mart.md") == []
    landing = Landing(fresh)
    landing.land("orders", [order("1", ("A", 2, "2.50")), order("2", ("B", 1, "9.00"))])
    assert _built(copy, fresh) == [(2, 0, Decimal("0.0000"))]
    landing.land("orders", [order("C1", ("A", -1, "2.50"), kind="return", time=at(minutes=90))])
    assert _built(copy, fresh) == [(2, 1, Decimal("-2.5000"))]


def _built(copy: Shell, settings: Settings) -> list[tuple[int, int, Decimal]]:
    """Days of the new mart after a build in the copy."""
    assert settings.postgres_conninfo is not None
    where = {
        "HEADRACE_HOME": str(settings.home),
        "HEADRACE_POSTGRES_CONNINFO": settings.postgres_conninfo,
        "HEADRACE_DATABASE": settings.database,
    }
    build = Shell(copy.folder, copy.environment | where).run(Command("python -m tests.integration.building orders", ""))
    assert build == (0, "")
    with Lake.open(settings) as lake:
        return lake.connection.sql("select orders, returns, returned_revenue from marts.returns_daily").fetchall()


def test_the_guides_to_a_topic_and_a_processor_lead_to_both(copy: Shell) -> None:
    assert copy.follow(PAGES / "add-a-topic.md") == []
    assert copy.follow(PAGES / "add-a-processor.md") == []
