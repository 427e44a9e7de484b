"""`headrace serve`: read-only SQL over HTTP, and the query page."""

from typing import Annotated

import typer

from headrace.home import existing


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    url: Annotated[
        bool, typer.Option("--url", help="Only print a link that opens the page; it works for one hour.")
    ] = False,
) -> None:
    """Serve read-only SQL over HTTP to clients with the token.

    Includes a query page; answers are JSON, CSV or Arrow. `headrace up` runs it.
    """
    from headrace.contracts.settings import HOST, Settings
    from headrace.guard.doors import SQL_TOKEN, link
    from headrace.guard.tokens import stored_token

    settings = existing(Settings())
    if url:
        typer.echo(link(settings, "sql"))
        return
    import uvicorn

    from headrace.guard.connections import bounded
    from headrace.warehouse.sql_server.app import build_app

    app = build_app(settings, stored_token(settings.secrets / SQL_TOKEN))
    port = settings.port("sql")
    typer.echo(f"SQL is served at http://{HOST}:{port}/; `headrace serve --url` prints a link that opens it.", err=True)
    # No access log: the application logs each answer.
    uvicorn.run(app, host=HOST, port=port, access_log=False, log_level="warning", **bounded())
