"""`headrace contract`: export a topic's contract to other tools, and compare two versions of one."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from headrace.contracts.exit_codes import ExitCode
from headrace.terminal import cell, print_table

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Side = "A file of `contract export` (`jsonschema` or `toml`), or the name of a topic."


class Form(StrEnum):
    """Format of an exported contract."""

    JSONSCHEMA = "jsonschema"
    ODCS = "odcs"
    AVRO = "avro"
    TOML = "toml"


def register(app: typer.Typer) -> None:
    """Add the group."""
    group = typer.Typer(name="contract", help="The contracts of topics, for other tools.", no_args_is_help=True)
    group.command()(export)
    group.command()(diff)
    app.add_typer(group)


def export(
    topic: Annotated[str, typer.Argument(help="A topic, such as `orders`.")],
    form: Annotated[Form, typer.Option("--format", help="Format.")] = Form.JSONSCHEMA,
) -> None:
    """Print the contract of a topic as JSON Schema, ODCS (YAML), Avro or TOML.

    TOML is a form in which a project declares its topics.
    """
    from headrace.contracts.export import export as exported

    if form is Form.TOML:
        from headrace.contracts.toml_export import toml

        typer.echo(toml(_topic(topic)), nl=False)
        return
    document = exported(_topic(topic), form.value)
    if form is Form.ODCS:
        import yaml

        typer.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120), nl=False)
        return
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def diff(
    old: Annotated[str, typer.Argument(help=Side)],
    new: Annotated[str, typer.Argument(help=Side)],
    as_json: Json = False,
) -> None:
    """Compare two versions of a contract. Exit 1 if the change is breaking.

    A change is breaking if the new contract does not read every record that the old one accepts, or lacks a field. What
    an upcaster does is not, if the version was raised with it.
    """
    from dataclasses import asdict

    from headrace.contracts.compatibility import compare, remedy

    before, after = _schema(old), _schema(new)
    changes = compare(before, after)
    breaking = any(change.breaking for change in changes)
    if as_json:
        typer.echo(json.dumps({"breaking": breaking, "changes": [asdict(change) for change in changes]}, indent=2))
    else:
        rows = [(cell(c.field), cell(c.what), "breaking" if c.breaking else "compatible") for c in changes]
        if rows:
            print_table(("field", "change", ""), rows)
        typer.echo(
            f"The change is breaking. {remedy(before)}"
            if breaking
            else "The change is compatible."
            if changes
            else "No change."
        )
    raise typer.Exit(ExitCode.FAILURE if breaking else ExitCode.SUCCESS)


def _topic(name: str) -> Any:
    from headrace.contracts.errors import Terminal
    from headrace.contracts.topics import EVENT_TOPICS

    for topic in EVENT_TOPICS:
        if topic.name == name:
            return topic
    raise Terminal(
        f"There is no topic {name} with a contract.", remedy=f"There are: {', '.join(t.name for t in EVENT_TOPICS)}."
    )


def _schema(given: str) -> dict[str, Any]:
    from headrace.contracts.errors import Terminal
    from headrace.contracts.export import json_schema

    path = Path(given)
    if not path.is_file():
        return json_schema(_topic(given))
    if path.suffix == ".toml":
        from headrace.contracts.toml_contracts import topic_of

        return json_schema(topic_of(path.read_text(), name=path.stem, file=str(path), domain="file"))
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, OSError) as error:
        raise Terminal(f"{path} is not a JSON file: {error}.", remedy="Write it with `contract export`.") from error
    if not isinstance(document, dict):
        raise Terminal(f"{path} is not a JSON Schema.", remedy="Write it with `contract export`.")
    return document
