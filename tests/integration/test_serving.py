"""SQL over HTTP: answers are exact, only published tables can be read, and no query harms the next one."""

import asyncio
import io
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pyarrow as pa
import pytest

from headrace.contracts.settings import Settings
from headrace.warehouse.sql_server.app import build_app

TOKEN = "t" * 43
TOO_LARGE = "select * from range(100000000) order by random()"
ENDLESS = "select count(*) from range(100000000000) a, range(1000) b"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with a published file of one mart."""
    found = Settings(home=tmp_path, serve_seconds=5, serve_memory_mb=64, serve_rows=1_000, serve_workers=2)
    with duckdb.connect(str(found.warehouse_file)) as file:
        file.execute("create table published as select 7::bigint as snapshot_id, now() as published_at")
        file.execute("create schema marts")
        file.execute("create table marts.sales_daily (sale_date date, revenue decimal(38, 4))")
        file.execute("insert into marts.sales_daily values ('2026-03-01', 2.55), ('2026-03-02', null)")
        file.execute("comment on table marts.sales_daily is 'Sales by day.'")
        file.execute("comment on column marts.sales_daily.revenue is 'Exact.'")
    return found


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(settings, TOKEN)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://127.0.0.1",
            headers={"authorization": f"Bearer {TOKEN}"},
            timeout=60,
        ) as client,
    ):
        yield client


Talk = Callable[[httpx.AsyncClient], Coroutine[Any, Any, None]]


def talk(settings: Settings, with_client: Talk) -> None:
    async def conversation() -> None:
        async with served(settings) as client:
            await with_client(client)

    asyncio.run(conversation())


def test_a_plot_is_of_the_published_file_as_it_is_now(settings: Settings) -> None:
    with duckdb.connect(str(settings.warehouse_file)) as file:
        for column, value in (("channel", "'web'"), ("currency", "'GBP'"), ("orders", "1")):
            kind = "bigint" if column == "orders" else "varchar"
            file.execute(f"alter table marts.sales_daily add column {column} {kind} default {value}")

    async def check(client: httpx.AsyncClient) -> None:
        address = "/plots/marts.sales_daily.png"
        assert (await client.get(address, headers={"authorization": ""})).status_code == 401
        first = await client.get(address)
        assert (first.status_code, first.headers["content-type"]) == (200, "image/png")
        assert first.content.startswith(b"\x89PNG")
        assert (await client.get(address)).content == first.content
        newer = settings.root / "newer.duckdb"
        newer.write_bytes(settings.warehouse_file.read_bytes())
        with duckdb.connect(str(newer)) as file:
            file.execute("insert into marts.sales_daily values ('2026-03-03', 700, 'store', 'GBP', 1)")
        newer.replace(settings.warehouse_file)
        assert (await client.get(address)).content != first.content

        for name, reason in (("marts.nothing", "no plot"), ("marts.posts_daily", "posts_daily"), ("..", "no plot")):
            denied = await client.get(f"/plots/{name}.png")
            assert denied.status_code in (400, 404)
            assert reason in denied.json()["message"]

    talk(settings, check)


def test_an_answer_is_exact_as_json_csv_and_arrow(settings: Settings) -> None:
    async def check(client: httpx.AsyncClient) -> None:
        sql = "select * from marts.sales_daily order by all"
        answer = await client.post("/api/sql", content=sql)
        assert answer.json() == {
            "columns": [{"name": "sale_date", "type": "DATE"}, {"name": "revenue", "type": "DECIMAL(38,4)"}],
            "rows": [["2026-03-01", "2.5500"], ["2026-03-02", None]],
            "truncated": False,
        }
        assert (answer.headers["x-rows"], answer.headers["x-snapshot"]) == ("2", "7")
        answer = await client.post("/api/sql?format=csv", content=sql)
        assert answer.text == "sale_date,revenue\n2026-03-01,2.5500\n2026-03-02,\n"
        assert answer.headers["content-type"].startswith("text/csv")
        answer = await client.post("/api/sql?format=arrow", content=sql)
        table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
        assert [str(value) for value in table.column("revenue").to_pylist()] == ["2.5500", "None"]
        assert str(table.schema.field("revenue").type) == "decimal128(38, 4)"

    talk(settings, check)


def test_values_that_python_or_arrow_cannot_hold_are_answered_too(settings: Settings) -> None:
    async def check(client: httpx.AsyncClient) -> None:
        for expression, text in (
            ("interval '1000000000 days'", "1000000000 days"),
            ("interval 2 months", "2 months"),
            ("date 'infinity'", "infinity"),
        ):
            for form in ("json", "csv"):
                answer = await client.post(f"/api/sql?format={form}", content=f"select {expression} as a")
                assert text in answer.text, (form, answer.text)
        for expression in (
            "{'a': 1}::variant",
            "interval '1000000000 days'",
            "340282366920938463463374607431768211455",
        ):
            answer = await client.post("/api/sql?format=arrow", content=f"select {expression} as a")
            assert answer.status_code == 200, expression
            assert pa.ipc.open_stream(io.BytesIO(answer.content)).read_all().column_names == ["a"]
        pivot = "pivot marts.sales_daily on sale_date using sum(revenue)"
        assert (await client.post("/api/sql?format=csv", content=pivot)).text == "2026-03-01,2026-03-02\n2.5500,\n"

    talk(settings, check)


def test_rows_beyond_the_limit_are_left_out_and_the_answer_reports_it(settings: Settings) -> None:
    async def check(client: httpx.AsyncClient) -> None:
        for form in ("json", "csv", "arrow"):
            answer = await client.post(f"/api/sql?format={form}&rows=10", content="from range(5000)")
            assert (answer.headers["x-rows"], answer.headers["x-truncated"]) == ("10", "true"), form
            answer = await client.post(f"/api/sql?format={form}", content="from range(1000)")
            assert (answer.headers["x-rows"], answer.headers["x-truncated"]) == ("1000", "false"), form
        assert len((await client.post("/api/sql?rows=10", content="from range(5000)")).json()["rows"]) == 10
        for rows in ("0", "1001", "many"):
            assert (await client.post(f"/api/sql?rows={rows}", content="select 1")).status_code == 400
        assert (await client.post("/api/sql?format=xml", content="select 1")).status_code == 400

    talk(settings, check)


REFUSED = (
    "select * from read_csv('{secret}')",
    "select * from read_text('{secret}')",
    "from '{secret}'",
    "select * from glob('{home}/*')",
    "explain analyze copy (select 1) to '{home}/out.csv'",
    "copy (select 1) to '{home}/out.csv'",
    "copy marts.sales_daily from '{secret}'",
    "attach '{home}/other.duckdb'",
    "install httpfs",
    "load httpfs",
    "set memory_limit = '64GB'",
    "reset lock_configuration",
    "pragma memory_limit = '64GB'",
    "pragma enable_profiling",
    "create table x (a int)",
    "create temp table x (a int)",
    "insert into marts.sales_daily values ('2026-01-01', 1)",
    "explain analyze insert into marts.sales_daily values ('2026-01-01', 1)",
    "drop table marts.sales_daily",
    "export database '{home}/out'",
    "call pragma_version()",
    "use main",
    "select 1; select 2",
    "",
    "select * from question",
    "select * from duckdb_secrets()",
    "select getenv('HOME')",
    "selec 1",
    "pragma import_database('{home}/secrets')",
    "pragma import_database('{home}/secrets/serve' || chr(0))",
    "import database '{home}/secrets'",
    "explain pragma import_database('{home}/secrets')",
    "select 1; import database '{home}/secrets'",
    "from query('select 1')",
    "select path from duckdb_databases()",
    "from 'duckdb_databases'",
    "pivot (from read_text('{secret}')) on content using count(*)",
    "select current_setting('secret_directory')",
)


def test_statements_other_than_reads_are_denied_and_the_next_query_is_answered(settings: Settings) -> None:
    secret = settings.root / "secret.csv"
    secret.write_text("password\nhunter2\n")
    settings.secrets.mkdir()
    for name in ("serve", "schema.sql"):
        (settings.secrets / name).write_text("hunter2")
    before = sorted(settings.root.iterdir())

    async def check(client: httpx.AsyncClient) -> None:
        for statement in REFUSED:
            sql = statement.format(secret=secret, home=settings.root)
            answer = await client.post("/api/sql", content=sql)
            assert answer.status_code in (400, 403), sql
            assert answer.json()["message"], sql
            assert "hunter2" not in answer.text
            assert str(settings.root) not in answer.text
            following = await client.post("/api/sql?format=csv", content="select count(*) as n from marts.sales_daily")
            assert following.text == "n\n2\n", sql

    talk(settings, check)
    assert sorted(settings.root.iterdir()) == sorted([*before, settings.root / "serving"])
    assert not list((settings.root / "serving").iterdir())


def test_an_answering_process_can_read_nothing_of_the_stack_but_the_file(settings: Settings) -> None:
    settings.secrets.mkdir()
    (settings.secrets / "postgres").write_text("hunter2")
    (view := settings.root / "serving").mkdir()
    (view / "warehouse.duckdb").hardlink_to(settings.warehouse_file)
    forbidden = [settings.secrets / "postgres", settings.warehouse_file, Path("/etc/passwd"), Path(__file__)]
    forbidden += [Path(f"/proc/{os.getpid()}/environ")]
    code = (
        "import sys, socket; from pathlib import Path; from headrace.warehouse.sql_server import sandbox, worker\n"
        "assert sandbox.confine([Path(sys.argv[1]), *worker.needed()])\n"
        "def denied(act):\n"
        "    try: act()\n"
        "    except PermissionError: return True\n"
        "assert all(denied(Path(path).read_bytes) for path in sys.argv[3:])\n"
        "assert denied(lambda: Path(sys.argv[1], 'written').write_text(''))\n"
        "assert denied(lambda: socket.create_connection(('127.0.0.1', 9)))\n"
        "with worker.connect(sys.argv[2], 64) as connection:\n"
        "    print(connection.execute('select count(*) from marts.sales_daily').fetchall())\n"
    )
    arguments = [view, view / "warehouse.duckdb", *forbidden]
    run = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert (run.stdout, run.returncode) == ("[(2,)]\n", 0), run.stderr


def test_a_runaway_query_is_stopped_and_the_next_one_is_answered(settings: Settings) -> None:
    async def check(client: httpx.AsyncClient) -> None:
        for statement, kind in ((ENDLESS, "time"), (TOO_LARGE, "memory")):
            first, second = await asyncio.gather(
                client.post("/api/sql", content=statement), client.post("/api/sql?format=csv", content="select 1 as n")
            )
            assert first.json()["error"] == kind
            assert second.text == "n\n1\n"
        assert (await client.post("/api/sql?format=csv", content="select 2 as n")).text == "n\n2\n"

    talk(settings, check)


def test_without_the_token_or_by_another_host_name_nothing_is_answered(settings: Settings) -> None:
    async def check(client: httpx.AsyncClient) -> None:
        for authorization in ("", "Bearer", "Bearer wrong", f"Basic {TOKEN}"):
            for method, path in (
                *(("POST", "/api/sql"), ("GET", "/api/tables"), ("GET", "/api/examples"), ("GET", "/")),
                *(("GET", "/page/page.js"), ("GET", "/plots/marts.sales_daily.png")),
            ):
                answer = await client.request(method, path, headers={"authorization": authorization})
                assert answer.status_code == 401
                assert TOKEN not in answer.text
        assert (await client.get("/", headers={"host": "rebound.example"})).status_code == 400
        assert (await client.post("/api/sql", content="x" * 200_000)).status_code == 413
        assert (await client.post("/api/sql", content=b"\xff")).status_code == 400

    talk(settings, check)


def test_the_tables_are_listed_with_their_descriptions(settings: Settings) -> None:
    async def check(client: httpx.AsyncClient) -> None:
        ((table, description, columns),) = (await client.get("/api/tables")).json()["rows"]
        assert (table, description) == ("marts.sales_daily", "Sales by day.")
        assert [column["description"] for column in columns] == [None, "Exact."]

    talk(settings, check)


def test_before_the_first_build_the_answer_says_what_to_do(tmp_path: Path) -> None:
    async def check(client: httpx.AsyncClient) -> None:
        answer = await client.post("/api/sql", content="select 1")
        assert answer.status_code == 503
        assert "headrace build" in answer.json()["message"]

    talk(Settings(home=tmp_path), check)


def test_a_file_swapped_under_the_process_is_read_at_the_next_question(settings: Settings) -> None:
    async def check(client: httpx.AsyncClient) -> None:
        await client.post("/api/sql", content="select 1")
        aside = settings.root / "aside"
        with duckdb.connect(str(aside)) as file:
            file.execute("create table published as select 8::bigint as snapshot_id, now() as published_at")
        aside.replace(settings.warehouse_file)
        assert (await client.post("/api/sql", content="select 1")).headers["x-snapshot"] == "8"

    talk(settings, check)


def test_the_page_loads_nothing_from_elsewhere(settings: Settings) -> None:
    async def check(client: httpx.AsyncClient) -> None:
        page = await client.get("/")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        for path in ("/", "/page/page.js", "/page/page.css"):
            assert "http:" not in (text := (await client.get(path)).text), path
            assert "https:" not in text, path
        for path in ("/viewer/perspective-anywidget.js", "/viewer/perspective-anywidget.css"):
            assert (await client.get(path)).status_code == 200

    talk(settings, check)
