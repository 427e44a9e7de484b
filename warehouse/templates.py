"""SQL files as Jinja templates: `event_topics`, the topics of events, and the macros of `sql/macros.jinja`.

Templates let tables share SQL, and a table over all topics includes a new topic without an edit. They are rendered
before anything else reads the file, so the engine, lineage and DuckDB see plain SQL.
"""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from contracts import topics

SQL_FOLDER = Path(__file__).parent / "sql"
_MACROS = "macros.jinja"


def rendered(text: str) -> str:
    """Render a template to SQL; text without `{{` and `{%` is returned unchanged.

    Raises:
        jinja2.TemplateError: it is not a template, or uses an undefined name.
    """
    environment = _environment()
    macros: Template = environment.get_template(_MACROS)
    names = [topic.name for topic in topics.EVENT_TOPICS]
    return environment.from_string(text, globals=vars(macros.module)).render(event_topics=names)


@cache
def _environment() -> Environment:
    # The templates are our own, and SQL is not HTML.
    return Environment(  # noqa: S701
        loader=FileSystemLoader(SQL_FOLDER),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
