"""`headrace serve`: SQL over HTTP for reading, and the page to ask in."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    url: Annotated[bool, typer.Option("--url", help="Only print the page's address, with its token.")] = False,
) -> None:
    """Answer SQL over HTTP, read only, to whoever has the token.

    With a page to ask in; answers are JSON, CSV or Arrow. `headrace up` runs it.
    """
    from contracts.settings import HOST, Settings
    from headrace.stack.files import secret

    settings = Settings()
    token = secret(settings.secrets, "serve")
    address = f"http://{HOST}:{settings.port('sql')}/"
    if url:
        typer.echo(f"{address}#token={token}")
        return
    import uvicorn

    from warehouse.serving.app import build_app

    typer.echo(f"SQL is served at {address}; `headrace serve --url` prints the address with its token.", err=True)
    # Access logs would be a line a request; each answer is logged by the application.
    uvicorn.run(build_app(settings, token), host=HOST, port=settings.port("sql"), access_log=False, log_level="warning")
