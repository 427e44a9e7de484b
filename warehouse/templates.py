"""SQL files as Jinja templates, with `event_topics` (the topics of events), `about("TOPIC.FIELD")` (the description in
the topic's contract) and the macros of `sql/macros.jinja`.

Templates let tables share SQL, and a table over all topics includes a new topic without an edit. They are rendered
before anything else reads the file, so the engine, lineage and DuckDB see plain SQL.
"""

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, TemplateError

from headrace.contracts import topics
from headrace.contracts.fields import fields_of

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
    own = {**vars(macros.module), "about": about}
    return environment.from_string(text, globals=own).render(event_topics=names)


def about(field: str) -> str:
    """The description of a topic's field, for a column with the same values.

    Raises:
        jinja2.TemplateError: there is no such field.
    """
    topic, _, name = field.partition(".")
    contract = topics.TOPICS[topic].contract if topic in topics.TOPICS else None
    found = [each.description for each in fields_of(contract) if each.name == name] if contract else []
    if not found:
        raise TemplateError(f"there is no field {field} in the contracts")
    return found[0]


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
