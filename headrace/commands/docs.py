"""`headrace docs`: write the generated reference pages. For contributors; a test holds the pages to what it writes."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(hidden=True)(docs)


def docs(folder: Annotated[Path, typer.Argument(help="Folder of the documentation.")] = Path("docs")) -> None:
    """Write the reference pages that are made from the code."""
    from contracts.reference import settings_page, topics_page
    from warehouse.catalog.reference import tables_page

    pages = {"settings": settings_page(), "topics": topics_page(), "tables": tables_page()}
    for name, page in pages.items():
        path = folder / "reference" / f"{name}.md"
        path.write_text(page)
        typer.echo(f"Wrote {path}.")
