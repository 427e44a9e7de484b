"""The HTTP application: a query page, and the endpoint for it and for any other client with the token.

    POST /api/sql?format=json|csv|arrow&rows=N    the statement is the body; spreadsheet=true marks formulas in CSV
    GET  /api/tables                              tables and columns with their descriptions
    GET  /api/examples                            the saved queries
    GET  /plots/TABLE.png                         the table's plot, for Dagster's pages

Everything needs `Authorization: Bearer TOKEN` or a session (`guard`). An error is JSON: `error` is its kind,
`message` says what happened and what to do.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pyarrow as pa
import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.guard.asgi import Guard
from headrace.guard.doors import sql_door
from headrace.warehouse.sql_server import sandbox
from headrace.warehouse.sql_server.examples import examples
from headrace.warehouse.sql_server.plots import PLOTS, drawn
from headrace.warehouse.sql_server.view import View
from headrace.warehouse.sql_server.worker import Form, Header, Kind, Question
from headrace.warehouse.sql_server.workers import Busy, Died, Limits, TooSlow, Workers

FORMS: dict[str, str] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
}
MAX_SQL_BYTES = 100_000
MAX_ANSWER_BYTES = 64_000_000
STATUS: dict[Kind, int] = {"denied": 403, "invalid": 400, "memory": 413, "size": 413}
PAGE = Path(str(files("headrace.warehouse.sql_server").joinpath("page")))
# The viewer sets inline styles; its WebAssembly is in data URLs, its modules and workers are blobs.
CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self' blob: 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self' data:; worker-src 'self' blob:; img-src 'self' data: blob:; font-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TABLES_SQL = """
select t.schema_name || '.' || t.table_name as "table", any_value(t.comment) as description,
    list({name: c.column_name, type: c.data_type, description: c.comment} order by c.column_index) as columns
from duckdb_tables() t join duckdb_columns() c using (schema_name, table_name)
where t.schema_name <> 'main' group by all order by all
"""

log = structlog.get_logger(part="serve")


def build_app(settings: Settings, token: str) -> Starlette:
    """The application for one stack."""
    limits = Limits(settings.serve_seconds, settings.serve_memory_mb)
    view = View(settings.warehouse_file)
    workers = Workers(limits, settings.serve_workers, view.folder)
    endpoint = _Endpoint(settings, workers, view)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        view.prepare()
        if not sandbox.version():
            log.warning("this kernel has no Landlock: worker processes are confined by DuckDB's settings alone")
        yield
        await workers.close()
        view.clear()

    return Starlette(
        routes=[
            Route("/", lambda _: FileResponse(PAGE / "index.html")),
            Route("/api/sql", endpoint.sql, methods=["POST"]),
            Route("/api/tables", endpoint.tables),
            Route("/api/examples", lambda _: JSONResponse([example.as_json() for example in examples()])),
            Mount("/page", StaticFiles(directory=PAGE)),
            Mount("/viewer", StaticFiles(directory=viewer_folder())),
            # Shown on Dagster's pages, by Dagster's session.
            Route("/plots/{table}.png", endpoint.plot),
        ],
        middleware=[Middleware(Guard, door=sql_door(settings, token)), Middleware(_Headers)],
        lifespan=lifespan,
    )


def viewer_folder() -> Path:
    """Perspective's viewer, from its Python package.

    Raises:
        Terminal: the package is not installed.
    """
    # Found without importing it: an import would load its engine, which runs in the browser here.
    found = find_spec("perspective")
    if found is None or not found.submodule_search_locations:
        raise Terminal("The package perspective-python is missing.", remedy="Run `make setup`.")
    return Path(found.submodule_search_locations[0]) / "widget" / "static"


class _Headers:
    """Adds the headers that isolate the page."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, object], receive: object, send: Callable[..., Awaitable[None]]) -> None:
        # Dagster's page has another port. "same-site" works for host names, but browsers know no site of an IP address.
        policy = b"cross-origin" if str(scope.get("path", "")).startswith("/plots/") else b"same-origin"

        async def sending(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                given = message.get("headers")
                headers = list(given) if isinstance(given, list) else []
                message["headers"] = [
                    *headers,
                    (b"content-security-policy", CONTENT_SECURITY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"referrer-policy", b"no-referrer"),
                    (b"cross-origin-opener-policy", b"same-origin"),
                    (b"cross-origin-resource-policy", policy),
                ]
            await send(message)

        await self._app(scope, receive, sending)


class _Endpoint:
    """The routes that query the warehouse."""

    def __init__(self, settings: Settings, workers: Workers, view: View) -> None:
        self._settings = settings
        self._workers = workers
        self._view = view
        self._plots: dict[str, tuple[str | None, bytes]] = {}
        """The last image of each plot, with the version of the file that it was drawn from."""

    async def sql(self, request: Request) -> Response:
        form = request.query_params.get("format", "json")
        rows = request.query_params.get("rows", str(self._settings.serve_rows))
        if form not in get_args(Form):
            return _error(400, "invalid", f"There is no format {form}. Use json, csv or arrow.")
        if not rows.isdecimal() or not 1 <= int(rows) <= self._settings.serve_rows:
            return _error(400, "invalid", f"rows is a number from 1 to {self._settings.serve_rows}.")
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MAX_SQL_BYTES:
                return _error(413, "invalid", f"A statement has at most {MAX_SQL_BYTES} bytes.")
        try:
            statement = body.decode()
        except UnicodeDecodeError:
            return _error(400, "invalid", "The statement is not UTF-8.")
        spreadsheet = request.query_params.get("spreadsheet", "false")
        if spreadsheet not in ("true", "false"):
            return _error(400, "invalid", "spreadsheet is true or false.")
        return await self._answer(statement, form, int(rows), spreadsheet=spreadsheet == "true")

    async def tables(self, _: Request) -> Response:
        return await self._answer(TABLES_SQL, "json", self._settings.serve_rows)

    async def plot(self, request: Request) -> Response:
        """A table's plot from the published file, drawn on the first request after each build."""
        declared = PLOTS.get(table := request.path_params["table"])
        if declared is None:
            return _error(404, "invalid", f"There is no plot of {table}.")
        version = _version(self._settings.warehouse_file)
        drawn_of, picture = self._plots.get(table, (None, b""))
        if version is None or drawn_of != version:
            answer = await self._answer(declared.sql, "arrow", self._settings.serve_rows)
            if answer.status_code != HTTPStatus.OK:
                return answer
            found = pa.ipc.open_stream(bytes(answer.body)).read_all()
            if not found.num_rows:
                return _error(404, "invalid", f"{table} has no rows to draw yet.")
            rows = list(zip(*(column.to_pylist() for column in found.columns), strict=True))
            picture = await run_in_threadpool(drawn, declared, rows)
            self._plots[table] = version, picture
        return Response(picture, media_type="image/png", headers={"cache-control": "no-cache"})

    async def _answer(self, statement: str, form: str, rows: int, *, spreadsheet: bool = False) -> Response:
        try:
            file = self._view.current()
        except FileNotFoundError:
            return _error(503, "invalid", "Nothing has been built yet. Run `headrace build` first.")
        question = Question(str(file), statement, _form(form), rows, MAX_ANSWER_BYTES, spreadsheet)
        try:
            header, body = await self._workers.ask(question)
        except Busy:
            return _error(429, "busy", "All worker processes are busy. Try again in a moment.")
        except TooSlow:
            seconds = f"{self._workers.limits.seconds:g} s"
            return _error(504, "time", f"The query was stopped after {seconds}. Select less, or one part at a time.")
        except Died:
            return _error(413, "memory", "The query ended its process, most likely because it used too much memory.")
        return _response(header, body, form)


def _version(file: Path) -> str | None:
    """Identifies a published file, since the next one has the same name; None if there is none."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return f"{found.st_ino} {found.st_mtime_ns}"


def _form(form: str) -> Form:
    return next(each for each in get_args(Form) if each == form)


def _response(header: Header, body: bytes, form: str) -> Response:
    log.info("answered", kind=header.kind or "ok", rows=header.rows, elapsed_ms=header.elapsed_ms)
    if header.kind is not None:
        return _error(STATUS[header.kind], header.kind, header.message)
    headers = {
        "x-rows": str(header.rows),
        "x-truncated": str(header.truncated).lower(),
        "x-elapsed-ms": str(header.elapsed_ms),
        "x-snapshot": str(header.snapshot),
        "cache-control": "no-store",
    }
    if form == "csv":
        headers["content-disposition"] = 'attachment; filename="headrace.csv"'
    return Response(body, media_type=FORMS[form], headers=headers)


def _error(status: int, kind: str, message: str) -> JSONResponse:
    return JSONResponse({"error": kind, "message": message}, status, headers={"cache-control": "no-store"})
