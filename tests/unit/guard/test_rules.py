"""Which requests the guard accepts and rejects by their headers."""

from dataclasses import replace

import pytest

from headrace.guard.rules import Asked, Door, names
from headrace.guard.sessions import LINK_SECONDS, SESSION_SECONDS, Credential

NOW = 1_800_000_000.0
TOKEN = Credential("headrace_dagster_19090", "t" * 43)
OTHER = Credential("headrace_serve_19090", "o" * 43)
HOST = "127.0.0.1:19093"
DOOR = Door((TOKEN,), names(("dagster.example",)), images="/plots/")
PUBLIC = Door((), names(("feedback.example",)), body_types=None)
BEARER = {"authorization": f"Bearer {TOKEN.token}"}
JSON = {"content-type": "application/json", "content-length": "9"}
PAGE = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
FOREIGN = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "empty"}
OPENED = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def asked(method: str = "GET", path: str = "/", /, **headers: str) -> Asked:
    given = {"host": HOST} | {name.replace("_", "-"): value for name, value in headers.items()}
    return Asked(method, path, "", tuple(given.items()))


def socket(**headers: str) -> Asked:
    return replace(asked(**headers), websocket=True)


def status(door: Door, request: Asked, now: float = NOW) -> int:
    refusal = door.refusal(request, now)
    return refusal.status if refusal else 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (HOST, 200),
        ("localhost", 200),
        ("[::1]:19093", 200),
        ("Dagster.Example", 200),
        ("rebound.example", 400),
        ("127.0.0.1.rebound.example", 400),
        ("localhost.", 400),
        ("rebound.example@127.0.0.1", 400),
        ("127.0.0.1/x", 400),
        ("127.0.0.1:many", 400),
        ("", 400),
    ],
)
def test_a_host_that_is_not_this_server_is_denied_on_every_door(host: str, expected: int) -> None:
    assert status(DOOR, asked(host=host, **BEARER)) == expected
    assert status(PUBLIC, asked(host=host)) == (expected if host != "Dagster.Example" else 400)


def test_two_hosts_or_none_are_denied() -> None:
    assert status(PUBLIC, Asked("GET", "/", "", (("host", HOST), ("host", HOST)))) == 400
    assert status(PUBLIC, Asked("GET", "/", "", ())) == 400


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (asked(**BEARER), 200),
        (asked(authorization=TOKEN.token), 401),
        (asked(authorization=f"Basic {TOKEN.token}"), 401),
        (asked(authorization="Bearer "), 401),
        (asked(), 401),
        (asked("POST", **BEARER, **JSON, **PAGE, origin=f"http://{HOST}"), 200),
        (asked("POST", **BEARER, **JSON, origin="https://dagster.example"), 200),
        (asked("POST", **BEARER, **JSON, origin="http://127.0.0.1:8000"), 403),
        (asked("POST", **BEARER, **JSON, origin="https://evil.example"), 403),
        (asked("POST", **BEARER, **JSON, origin="null"), 403),
        (asked("POST", **BEARER, **JSON, **FOREIGN), 403),
        (asked(**BEARER, **FOREIGN), 403),
        (asked(**BEARER, **OPENED), 200),
        (asked(**BEARER, **OPENED | {"sec-fetch-dest": "iframe"}), 403),
        (asked("POST", **BEARER, **JSON, **OPENED), 403),
        (asked("POST", **BEARER, **JSON | {"content-type": "text/plain"}), 415),
        (asked("POST", **BEARER, content_length="9"), 415),
        (asked("POST", **BEARER, transfer_encoding="chunked"), 415),
        (asked("PUT", **BEARER, **JSON), 405),
        (asked("OPTIONS", **BEARER), 405),
        (
            asked(
                "GET", "/plots/x.png", **BEARER, **FOREIGN | {"sec-fetch-site": "same-site", "sec-fetch-dest": "image"}
            ),
            200,
        ),
        (asked("GET", "/plots/x.png", **BEARER, **FOREIGN | {"sec-fetch-dest": "image"}), 403),
        (socket(**BEARER), 200),
        (socket(), 401),
        (socket(**BEARER, origin="http://127.0.0.1:8000"), 403),
        (socket(**BEARER, **OPENED), 403),
    ],
)
def test_a_request_passes_with_the_token_from_here_and_not_from_elsewhere(request_: Asked, expected: int) -> None:
    assert status(DOOR, request_) == expected


def test_a_public_door_takes_a_form_of_its_own_pages_only() -> None:
    form = {"content-type": "application/x-www-form-urlencoded", "content-length": "9"}
    assert status(PUBLIC, asked(**FOREIGN)) == 200
    assert status(PUBLIC, asked("POST", **form)) == 200
    assert status(PUBLIC, asked("POST", **form, **FOREIGN)) == 403
    for origin in ("https://evil.example", "http://127.0.0.1:8000", "http://localhost:19093", "null"):
        for door in (PUBLIC, replace(PUBLIC, own_names=names(("127.0.0.1", "feedback.example")))):
            assert status(door, asked("POST", **form, origin=origin)) == 403
    assert status(PUBLIC, asked("POST", **form, origin="https://feedback.example")) == 200
    # Behind a proxy that changes Host, the browser's headers show that the page is the form's own.
    assert status(PUBLIC, asked("POST", **form, origin="https://form.example", sec_fetch_site="same-origin")) == 200


def test_a_session_ends_with_its_time_and_with_its_token_and_opens_one_door() -> None:
    session = TOKEN.session(NOW)
    cookie = f"a=b; {TOKEN.cookie}={session}"
    assert status(DOOR, asked(cookie=cookie)) == 200
    assert status(DOOR, asked(cookie=cookie), NOW + SESSION_SECONDS + 1) == 401
    assert status(DOOR, asked(cookie=f"{TOKEN.cookie}=9{session}")) == 401
    assert status(DOOR, asked(cookie=f"{TOKEN.cookie}={OTHER.session(NOW)}")) == 401
    assert status(Door((Credential(TOKEN.cookie, "new"),)), asked(cookie=cookie)) == 401
    assert status(Door((OTHER, TOKEN)), asked(cookie=cookie)) == 200
    link = TOKEN.link("http://127.0.0.1:19093/", NOW).partition("#token=")[2]
    assert TOKEN.token not in link
    assert TOKEN.opens(link, NOW)
    assert not TOKEN.opens(link, NOW + LINK_SECONDS + 1)
    assert not OTHER.opens(link, NOW)
    assert not TOKEN.knows_session(link, NOW), "a link opens a session and is none"
    assert not TOKEN.opens(session, NOW)
    for odd in ("", ".", "9" * 5_000 + ".x", "١٢٣.x", "-1.x", "1e9.x"):
        assert not TOKEN.opens(odd, NOW)
