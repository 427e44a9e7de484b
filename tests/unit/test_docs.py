"""The documentation says what the code does."""

import re
from pathlib import Path

from contracts.reference import topics_page
from contracts.settings import Settings
from headrace.cli import build_app
from headrace.commands.sources import LIVE_NAMES
from streaming.sources.live.registry import NAMES
from warehouse.reference import tables_page

ROOT = Path(__file__).parents[2]


def test_the_reference_page_of_the_topics_is_what_the_contracts_say() -> None:
    assert (ROOT / "docs" / "topics.md").read_text() == topics_page(), "run `make docs`"


def test_the_reference_page_of_the_tables_is_what_their_files_say() -> None:
    assert (ROOT / "docs" / "warehouse-tables.md").read_text() == tables_page(), "run `make docs`"


def test_every_command_is_documented() -> None:
    pages = "\n".join(
        page.read_text() for page in [ROOT / "README.md", *ROOT.glob("docs/*.md"), ROOT / "CONTRIBUTING.md"]
    )
    app = build_app()
    names = [info.name or getattr(info.callback, "__name__", "") for info in app.registered_commands if not info.hidden]
    for group in app.registered_groups:
        assert group.typer_instance is not None
        names += [
            f"{group.typer_instance.info.name} {info.name or getattr(info.callback, '__name__', '')}"
            for info in group.typer_instance.registered_commands
        ]
    missing = [
        name for name in names if not re.search(rf"(headrace|make) {re.escape(name)}\b|`{re.escape(name)}`", pages)
    ]
    assert missing == []


def test_every_setting_is_documented() -> None:
    page = "".join((ROOT / "docs" / name).read_text() for name in ("running.md", "live-sources.md"))
    assert [name for name in Settings.model_fields if f"`HEADRACE_{name.upper()}`" not in page] == []


def test_every_live_source_is_documented_and_offered_by_the_command() -> None:
    page = (ROOT / "docs" / "live-sources.md").read_text()
    assert LIVE_NAMES == NAMES
    assert [name for name in NAMES if f"## {name}\n" not in page] == []


def test_the_links_between_the_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
