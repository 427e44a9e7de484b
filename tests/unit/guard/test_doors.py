"""What the guard of Dagster rejects, in addition to the common rules."""

from pathlib import Path

import pytest

from headrace.contracts.settings import Settings
from headrace.guard.doors import DAGSTER_TOKEN, SQL_TOKEN, authorization, dagster_door, link, metrics_door, sql_door
from headrace.guard.rules import Asked
from headrace.guard.tokens import stored_token


@pytest.mark.parametrize(
    ("method", "query", "status"),
    [
        ("POST", "op=SomeQuery", None),
        ("GET", "", None),
        ("GET", "query=mutation", 405),
        ("POST", "query=mutation", 405),
        ("POST", "op=a&query=mutation", 405),
        ("POST", "op=a&%71uery=mutation", 405),
        ("GET", "op=a", 405),
    ],
)
@pytest.mark.parametrize("path", ["/graphql", "/graphql/"])
def test_graphql_is_sent_by_post_and_never_in_a_url(
    tmp_path: Path, path: str, method: str, query: str, status: int | None
) -> None:
    settings = Settings(home=tmp_path)
    bearer = authorization(settings, DAGSTER_TOKEN)["Authorization"]
    asked = Asked(method, path, query, (("host", "127.0.0.1:1"), ("authorization", bearer)))
    refusal = dagster_door(settings).refusal(asked, 0.0)
    assert (refusal and refusal.status) == status


def test_each_port_has_a_token_of_its_own_and_dagsters_opens_sql_too(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    doors = {
        "dagster": dagster_door(settings),
        "sql": sql_door(settings, stored_token(settings.secrets / SQL_TOKEN)),
        "metrics": metrics_door(settings),
    }
    opened = {
        token: {
            name
            for name, door in doors.items()
            if door.admits(
                Asked("GET", "/", "", (("authorization", authorization(settings, token)["Authorization"]),)), 0.0
            )
        }
        for token in ("dagster", "serve", "metrics")
    }
    assert opened == {"dagster": {"dagster", "sql"}, "serve": {"sql"}, "metrics": {"metrics"}}
    assert {path.stat().st_mode & 0o777 for path in settings.secrets.iterdir()} == {0o600}
    assert stored_token(settings.secrets / "dagster") not in link(settings, "dagster")
