"""`headrace docs`: write the generated reference pages. For contributors; a test holds the pages to what it writes."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(hidden=True)(docs)


def docs(folder: Annotated[Path, typer.Argument(help="Folder of the documentation.")] = Path("docs")) -> None:
    """Write the reference pages that are made from the code."""
    from contracts.reference import topics_page
    from warehouse.reference import tables_page

    for name, page in (("reference/topics.md", topics_page()), ("reference/tables.md", tables_page())):
        (folder / name).write_text(page)
        typer.echo(f"Wrote {folder / name}.")
