"""Connect's REST API: no access without its password, and each connector reads only its own file."""

import httpx
import pytest

from headrace.contracts.settings import Settings
from headrace.streaming.connect.worker import worker_of
from tests.security.other_account import as_nobody

SINK = "io.debezium.connector.jdbc.JdbcSinkConnector"


def login(settings: Settings) -> tuple[str, str]:
    assert settings.connect_login_file is not None
    user, _, password = settings.connect_login_file.read_text().strip().partition(":")
    return user, password


def validated(settings: Settings, file: object, key: str, credentials: tuple[str, str] | None) -> httpx.Response:
    """The attack: a field of a configuration that is shown in the answer names a secret."""
    return httpx.put(
        f"{settings.connect_address}/connector-plugins/JdbcSinkConnector/config/validate",
        json={"connector.class": SINK, "topics": f"${{file:{file}:{key}}}"},
        auth=credentials,
        timeout=60,
        trust_env=False,
    )


@pytest.mark.parametrize("credentials", [None, ("headrace", "guess"), ("", "")], ids=["none", "wrong", "empty"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/connectors?expand=info"),
        ("GET", "/connector-plugins"),
        ("GET", "/admin/loggers"),
        ("POST", "/connectors"),
        ("PUT", "/connectors/mine/config"),
        ("DELETE", "/connectors/headrace.shop.orders"),
        ("PUT", "/connectors/headrace.shop.orders/stop"),
        ("PATCH", "/connectors/headrace.shop.orders/offsets"),
    ],
)
def test_no_endpoint_answers_without_the_login(
    connect_worker: Settings, method: str, path: str, credentials: tuple[str, str] | None
) -> None:
    url = connect_worker.connect_address + path
    body = {"name": "mine"} if method in ("POST", "PUT", "PATCH") else None
    answer = httpx.request(method, url, json=body, auth=credentials, timeout=60, trust_env=False)
    assert answer.status_code == 401


def test_a_configuration_cannot_be_made_to_show_a_secret(connect_worker: Settings) -> None:
    own = connect_worker.connect_secrets
    assert validated(connect_worker, own, "password", None).status_code == 401
    with worker_of(connect_worker) as worker:
        assert worker.answers()
    for file in (
        connect_worker.secrets / "postgres-roles" / "headrace",
        connect_worker.secrets / "pgpass-admin",
        connect_worker.secrets / "pgpass",
        connect_worker.kafka_login("admin"),
        connect_worker.connect_login_file,
        own.parent / ".." / "postgres-roles" / "headrace",
        own.with_name("other"),
    ):
        answer = validated(connect_worker, file, "password", login(connect_worker))
        assert "Configured path" in answer.text or "not permitted" in answer.text or "null" in answer.text
        secret = (connect_worker.secrets / "postgres-roles" / "headrace").read_text().strip()
        assert secret not in answer.text


def test_another_account_cannot_read_the_login_of_the_rest_api(connect_worker: Settings) -> None:
    read = as_nobody("cat", str(connect_worker.connect_login_file), str(connect_worker.connect_secrets))
    assert (read.returncode, read.stdout) == (1, "")
