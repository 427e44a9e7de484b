"""The documentation matches the code, and its links work."""

import re
from pathlib import Path

import pytest

from headrace.cli import build_app
from headrace.commands.docs import commands_page
from headrace.contracts.postgres_reference import postgres_page
from headrace.contracts.reference import exit_codes_page, settings_page, topics_page
from headrace.contracts.settings import Settings
from headrace.streaming.processors.reference import processors_page
from headrace.streaming.runtime.processing.worker import BATCH_BYTES, BATCH_RECORDS
from headrace.streaming.sources.live.registry import live_sources
from headrace.streaming.sources.mapped.map_files import ready_names
from headrace.streaming.sources.mapped.reference import mappings_page
from headrace.warehouse.catalog.reference import tables_page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")), *sorted(DOCS.glob("**/*.md"))]
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def test_the_reference_page_of_the_topics_is_what_the_contracts_say() -> None:
    assert (DOCS / "reference" / "topics.md").read_text() == topics_page(), "run `make docs`"


def test_the_reference_page_of_the_processors_is_what_they_declare() -> None:
    assert (DOCS / "reference" / "processors.md").read_text() == processors_page(), "run `make docs`"


def test_the_reference_page_of_the_tables_is_what_their_files_say() -> None:
    assert (DOCS / "reference" / "tables.md").read_text() == tables_page(), "run `make docs`"


def test_the_reference_page_of_the_commands_is_what_their_help_says() -> None:
    assert (DOCS / "reference" / "commands.md").read_text() == commands_page(build_app()), "run `make docs`"


def test_the_page_of_postgresql_is_made_from_its_roles() -> None:
    assert (DOCS / "reference" / "postgres.md").read_text() == postgres_page(), "run `make docs`"


def test_the_reference_page_of_mappings_is_made_of_their_keys() -> None:
    assert (DOCS / "reference" / "mappings.md").read_text() == mappings_page(), "run `make docs`"
    guide = (DOCS / "how-to" / "load-your-own-files.md").read_text()
    assert [name for name in ready_names() if f"`{name}`" not in guide] == []


def test_the_page_on_processing_states_the_bounds_of_a_batch() -> None:
    bounds = f"{BATCH_RECORDS:,} records or {BATCH_BYTES // 1_000_000} MB"
    assert bounds in (DOCS / "explanation" / "processing.md").read_text()


def test_every_command_is_documented() -> None:
    written = [page for page in PAGES if page.parent.name != "decisions" and page.name != "commands.md"]
    pages = "\n".join(page.read_text() for page in written)
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


def test_the_reference_page_of_the_settings_is_what_the_settings_say() -> None:
    page = (DOCS / "reference" / "settings.md").read_text()
    assert page == settings_page(), "run `make docs`"
    assert [name for name in Settings.model_fields if f"`HEADRACE_{name.upper()}`" not in page] == []
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def test_the_reference_page_of_the_exit_codes_is_what_the_code_says() -> None:
    assert (DOCS / "reference" / "exit-codes.md").read_text() == exit_codes_page(), "run `make docs`"


def test_every_live_source_is_documented() -> None:
    page = (DOCS / "reference" / "live-sources.md").read_text()
    assert [name for name in live_sources() if f"## {name}\n" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", page.read_text())):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


def test_every_document_that_the_code_names_exists() -> None:
    rooms = ("headrace", "orchestration", "streaming", "warehouse")
    sources = [path for room in rooms for path in (ROOT / room).rglob("*") if path.suffix in {".py", ".sql", ".java"}]
    named = {name for source in sources for name in re.findall(r"\bdocs/[\w/-]+\.md", source.read_text())}
    assert named
    assert sorted(name for name in named if not (ROOT / name).is_file()) == []


def test_every_file_of_the_code_that_a_page_names_exists() -> None:
    code = re.compile(r"`((?:headrace|orchestration|streaming|warehouse|tests)/[\w./]+\.\w+)`")
    missing = {
        f"{page.name}: {name}"
        for page in PAGES
        if page.parent.name != "decisions"  # these are of their time
        for name in code.findall(page.read_text())
        if "NAME" not in name and not (ROOT / name).exists()
    }
    assert sorted(missing) == []


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, by GitHub's rule; MkDocs makes the same ones."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}
