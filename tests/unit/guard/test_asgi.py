"""Browser sessions and websockets of an application behind the guard."""

import re
import time

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from headrace.guard.asgi import SESSION_PATH, Guard
from headrace.guard.rules import Door
from headrace.guard.sessions import Credential

CREDENTIAL = Credential("headrace_dagster_1", "t" * 43)
ORIGIN = "http://127.0.0.1:1"
OWN = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}


async def _echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


async def _page(_: Request) -> PlainTextResponse:
    return PlainTextResponse("inside")


def client() -> TestClient:
    app = Starlette(routes=[Route("/", _page), WebSocketRoute("/ws", _echo)])
    return TestClient(Guard(app, Door((CREDENTIAL,))), base_url=ORIGIN)


def test_a_link_opens_a_session_that_only_the_browser_can_read() -> None:
    browser = client()
    closed = browser.get("/", headers={"accept": "text/html,*/*"})
    assert (closed.status_code, "inside" in closed.text) == (401, False)
    assert "frame-ancestors 'none'" in closed.headers["content-security-policy"]
    token = CREDENTIAL.link("", time.time()).partition("=")[2]
    opened = browser.post(SESSION_PATH, json={"token": token}, headers=OWN)
    assert opened.status_code == 200
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(opened.headers["set-cookie"].split("; "))
    page = browser.get("/")
    assert (page.text, page.headers["x-frame-options"]) == ("inside", "DENY")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        ('{"token": "wrong"}', OWN, 401),
        ('{"token": 1}', OWN, 401),
        ("nonsense", OWN, 401),
        ("[" * 900, OWN, 401),
        ("[" * 60_000, OWN, 401),
        ('{"token": "' + "t" * 43 + '"}' + " " * 2_000, OWN, 401),
        ('{"token": "%s"}' % ("t" * 43), OWN | {"content-type": "text/plain"}, 415),
        ('{"token": "%s"}' % ("t" * 43), OWN | {"origin": "http://evil.example"}, 403),
        ('{"token": "%s"}' % ("t" * 43), OWN | {"host": "rebound.example"}, 400),
    ],
)
def test_a_session_is_not_opened_by_anything_else(body: str, headers: dict[str, str], status: int) -> None:
    given = {"content-type": "application/json"} | headers
    answer = client().post(SESSION_PATH, content=body, headers=given)
    assert (answer.status_code, "set-cookie" in answer.headers) == (status, False)
    assert "t" * 43 not in answer.text


def test_the_login_page_leads_to_no_other_site_for_any_path() -> None:
    page = client().get("//evil.example/", headers={"accept": "text/html"})
    assert page.status_code == 401
    # `//evil.example/` alone would be an address of that site.
    assert "const page = location.origin + location.pathname + location.search;" in page.text
    assert len(re.findall(r"location\.pathname", page.text)) == 1


def test_a_program_without_the_token_gets_json_and_no_page() -> None:
    answer = client().get("/")
    assert (answer.status_code, answer.json()["error"]) == (401, "denied")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_websockets_open_by_the_token_or_a_session_and_from_this_origin_only() -> None:
    host = {"host": "127.0.0.1:1"}
    bearer = host | {"authorization": f"Bearer {CREDENTIAL.token}"}
    with client().websocket_connect("/ws", headers=bearer | {"origin": ORIGIN}) as socket:
        assert socket.receive_text() == "hello"
    for denied in (host, bearer | {"origin": "http://evil.example"}, bearer | {"host": "rebound.example"}):
        with pytest.raises(WebSocketDisconnect), client().websocket_connect("/ws", headers=denied):
            pass
