"""Raw HTTP against every port: no access without a token, by another host name, from another origin or route."""

import json
import re
import socket
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import websockets.sync.client
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from headrace.contracts.setting_names import SUPERVISED_VARIABLE
from headrace.contracts.settings import HOST, PORTS, Settings
from headrace.guard.doors import DAGSTER_TOKEN, SQL_TOKEN, authorization
from headrace.orchestration.instance.config import opened
from tests.security.attacking import REBOUND, ask, guarded_ports

ROOT = Path(__file__).parents[2]
MUTATION = (
    "mutation {{ reportRunlessAssetEvents(eventParams: {{eventType: ASSET_MATERIALIZATION, "
    'assetKey: {{path: ["{name}"]}}}}) {{ __typename }} }}'
)
PROTOCOLS = [Subprotocol("graphql-ws")]
FOREIGN = ("https://evil.example", "http://127.0.0.1:8000", "null")


def assets(settings: Settings) -> set[str]:
    with opened(settings) as instance:
        return {key.to_user_string() for key in instance.all_asset_keys()}


def test_every_port_rejects_requests_without_the_token_and_answers_with_it(attacked: Settings) -> None:
    for name, (port, bearer) in guarded_ports(attacked).items():
        for headers in ({}, {"authorization": "Bearer x"}, {"authorization": "Basic aGVhZHJhY2U6"}, {"cookie": "a=b"}):
            assert ask(port, headers=headers).status_code == 401, (name, headers)
        assert ask(port, headers=bearer).status_code == 200, name


def test_every_port_rejects_another_host_name_even_with_the_token(attacked: Settings) -> None:
    ports = guarded_ports(attacked) | {"feedback": (attacked.port("feedback"), {})}
    for name, (port, bearer) in ports.items():
        for host in (REBOUND, f"{REBOUND}:{port}", "169.254.169.254", ""):
            assert ask(port, headers=bearer | {"host": host}).status_code == 400, (name, host)


def test_every_port_rejects_another_origin_even_with_the_token(attacked: Settings) -> None:
    for name, (port, bearer) in guarded_ports(attacked).items():
        for origin in FOREIGN:
            assert ask(port, headers=bearer | {"origin": origin}).status_code == 403, (name, origin)
        for site in ("cross-site", "same-site"):
            assert ask(port, headers=bearer | {"sec-fetch-site": site}).status_code == 403, (name, site)
    for origin in FOREIGN:
        answer = ask(attacked.port("feedback"), "POST", data={"key": "k", "rating": "1"}, headers={"origin": origin})
        assert answer.status_code == 403


def test_dagster_executes_nothing_by_get_by_another_type_or_without_the_token(attacked: Settings) -> None:
    port, bearer = attacked.port("dagster"), authorization(attacked, DAGSTER_TOKEN)
    query = MUTATION.format(name="attack")
    for headers in ({}, bearer):
        by_get = ask(port, path="/graphql", params={"query": query}, headers=headers)
        by_address = ask(port, "POST", "/graphql", params={"query": query}, headers=headers)
        as_text = ask(
            port,
            "POST",
            "/graphql",
            content=json.dumps({"query": query}),
            headers=headers | {"content-type": "text/plain"},
        )
        as_form = ask(port, "POST", "/graphql", data={"query": query}, headers=headers)
        as_graphql = ask(
            port, "POST", "/graphql", content=query, headers=headers | {"content-type": "application/graphql"}
        )
        answers = (by_get, by_address, as_text, as_form, as_graphql)
        assert {answer.status_code for answer in answers} <= {401, 405, 415}
    assert ask(port, "POST", "/graphql", json={"query": query}).status_code == 401
    assert ask(port, "POST", "/report_asset_materialization/attack", json={}).status_code == 401
    control = ask(port, "POST", "/graphql", json={"query": MUTATION.format(name="control")}, headers=bearer)
    assert control.status_code == 200
    found = assets(attacked)
    assert "control" in found, control.text
    assert "attack" not in found


def test_a_websocket_opens_with_the_token_and_from_here_only(attacked: Settings) -> None:
    address = f"ws://{HOST}:{attacked.port('dagster')}/graphql"
    bearer = authorization(attacked, DAGSTER_TOKEN)

    def opens(**given: Any) -> bool:
        try:
            with websockets.sync.client.connect(address, subprotocols=PROTOCOLS, proxy=None, **given):
                return True
        except InvalidStatus:
            return False

    assert opens(additional_headers=bearer)
    assert opens(additional_headers=bearer, origin=f"http://{HOST}:{attacked.port('dagster')}")
    assert not opens()
    for origin in FOREIGN:
        assert not opens(additional_headers=bearer, origin=origin)


def test_a_question_reads_no_secret_and_no_answer_quotes_one(attacked: Settings) -> None:
    secrets = {
        path: text
        for path in attacked.secrets.rglob("*")
        if path.is_file() and len(text := path.read_text("utf-8", errors="replace").strip()) >= 16
    }
    assert secrets
    with_a_file(attacked)
    headers = authorization(attacked, SQL_TOKEN)
    path = attacked.secrets / "serve"
    statements = (
        f"pragma import_database('{path}')",
        f"pragma import_database('{path}' || chr(0))",
        f"import database '{path.parent}'",
        f"select * from read_text('{path}')",
        f"explain analyze copy (from read_text('{path}')) to '{attacked.root}/stolen'",
        f"from query('from read_text(''{path}'')')",
        f"pivot (from read_text('{path}')) on content using count(*)",
        f"attach '{path}'",
    )
    for number, sql in enumerate(statements):
        form = ("json", "csv", "arrow")[number % 3]
        answer = ask(attacked.port("sql"), "POST", f"/api/sql?format={form}", content=sql, headers=headers)
        assert answer.status_code in (400, 403), sql
        for secret in secrets.values():
            assert not [part for part in re.findall(r"[\w-]{12,}", secret) if part in answer.text], sql
    assert not (attacked.root / "stolen").exists()


def with_a_file(settings: Settings) -> None:
    """A query that works with and without a finished build."""
    import duckdb

    if not settings.warehouse_file.exists():
        with duckdb.connect(str(settings.warehouse_file)) as file:
            file.execute("create table published as select 1::bigint as snapshot_id, now() as published_at")


def test_2050_half_sent_requests_and_3000_idle_connections_lock_nobody_out(attacked: Settings) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8_192), hard))
    half = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-"
    held: list[socket.socket] = []
    try:
        for name in ("feedback", "sql", "dagster"):
            for number, sent in ((2_050, half), (3_000, b"")):
                for _ in range(number):
                    held.append(socket.create_connection((HOST, attacked.port(name)), 10))
                    if sent:
                        held[-1].sendall(sent)
                path = "/health" if name == "feedback" else "/server_info"
                assert ask(attacked.port(name), path=path).status_code in (200, 401), name
                while held:
                    held.pop().close()
    finally:
        for connection in held:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_addresses_that_a_client_makes_up_do_not_raise_its_limit(attacked: Settings) -> None:
    def post(number: int) -> httpx.Response:
        headers = {"x-forwarded-for": f"198.51.100.{number % 250}" + "x" * (20_000 if number % 2 else 0)}
        return ask(attacked.port("feedback"), "POST", data={"key": f"{number:032x}", "rating": "5"}, headers=headers)

    statuses = [post(number).status_code for number in range(60)]
    assert statuses.count(200) <= 30, statuses
    assert statuses.count(429) >= 30, statuses


def test_a_customer_number_is_not_claimed_without_its_token(attacked: Settings) -> None:
    claimed = {"key": "c" * 32, "rating": "1", "customer_id": "17850", "customer_token": "0" * 64}
    answer = ask(attacked.port("feedback"), "POST", data=claimed)
    assert answer.status_code in (403, 429)


def test_every_port_that_listens_is_known_on_loopback_and_listed(attacked: Settings) -> None:
    listening = set[int]()
    for process in psutil.process_iter():
        try:
            if process.environ().get(SUPERVISED_VARIABLE) != str(attacked.root):
                continue
            for connection in process.net_connections("inet"):
                if connection.status == psutil.CONN_LISTEN:
                    assert connection.laddr.ip.removeprefix("::ffff:") == HOST, process.cmdline()
                    listening.add(connection.laddr.port - attacked.port_base)
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    page = (ROOT / "docs" / "explanation" / "security.md").read_text()
    cells = re.findall(r"^\| ([\d, -]+) \|", page, re.MULTILINE)
    listed = {
        number
        for cell in cells
        for part in cell.split(",")
        for first, last in [(part.split("-") * 2)[:2]]
        for number in range(int(first), int(last) + 1)
    }
    assert set(PORTS.values()) <= listed
    assert listening <= listed, sorted(listening - listed)


@pytest.mark.parametrize(
    "path", ["/", "/runs", "/logs/../../secrets/dagster", "/download_debug/x", "/notebook?path=a.ipynb"]
)
def test_dagsters_pages_and_downloads_need_a_session_too(attacked: Settings, path: str) -> None:
    answer = ask(attacked.port("dagster"), path=path, headers={"accept": "text/html"})
    assert answer.status_code == 401
    assert "Log in" in answer.text
