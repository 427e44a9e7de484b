"""`headrace lineage`: the upstream or downstream columns of a column."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.tree import Tree

    from headrace.warehouse.catalog.lineage import Node


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(lineage)


def lineage(
    name: Annotated[str, typer.Argument(help="A column such as marts.sales_daily.revenue, or a table.")],
    downstream: Annotated[
        bool, typer.Option("--downstream", help="Show the columns computed from it instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the columns that a column is computed from.

    Traces back to the landed records. Reads the SQL files, so no stack is needed.
    """
    from rich.console import Console
    from rich.tree import Tree

    from headrace.warehouse.catalog.lineage import trace

    nodes = trace(name, downstream=downstream)
    if as_json:
        typer.echo(json.dumps([node.as_json() for node in nodes]))
        return
    console = Console(soft_wrap=True, highlight=False)
    for node in nodes:
        tree = Tree(_label(node))
        _grow(tree, node, seen=set())
        console.print(tree)


def _label(node: "Node") -> str:
    return f"{node.table}.[bold]{node.column}[/bold]"


def _grow(tree: "Tree", node: "Node", seen: set[tuple[str, str]]) -> None:
    """Add the children of a node; a branch that was shown before is not repeated."""
    for each in node.related:
        known = (each.table, each.column) in seen and bool(each.related)
        branch = tree.add(_label(each) + (" [dim](as above)[/dim]" if known else ""))
        if not known:
            seen.add((each.table, each.column))
            _grow(branch, each, seen)
