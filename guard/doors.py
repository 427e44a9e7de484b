"""The stack's HTTP ports and what opens each. docs/explanation/security.md lists them."""

from urllib.parse import parse_qsl

from contracts import clock
from contracts.settings import HOST, Settings
from guard.rules import Asked, Door, Refusal, names
from guard.sessions import Credential
from guard.tokens import stored_token

SQL_TOKEN, DAGSTER_TOKEN, METRICS_TOKEN = "serve", "dagster", "metrics"
_STATEMENTS = frozenset({"", "application/sql", "text/plain", "application/x-www-form-urlencoded"})
"""Bodies of a statement: `curl --data-binary` names a form's type. The token is no page's to send."""


def dagster_door(settings: Settings) -> Door:
    """Dagster's pages and GraphQL, which can do everything that the stack's account can."""
    return Door(_credentials(settings, DAGSTER_TOKEN), names(settings.http_hosts), also=_no_query_in_an_address)


def sql_door(settings: Settings, token: str) -> Door:
    """Questions in SQL. Dagster's operator may see what is answered here: plots stand on Dagster's pages."""
    own = Credential(_cookie(settings, SQL_TOKEN), token)
    return Door(
        (own, *_credentials(settings, DAGSTER_TOKEN)),
        names(settings.http_hosts),
        body_types=_STATEMENTS,
        images="/plots/",
    )


def metrics_door(settings: Settings) -> Door:
    """Prometheus: bearer token from a file."""
    return Door(_credentials(settings, METRICS_TOKEN), names(settings.http_hosts))


def feedback_door(settings: Settings) -> Door:
    """Public by design; its API asks for its own token."""
    own_names = names(settings.http_hosts)
    if settings.feedback_host not in ("0.0.0.0", "::"):  # noqa: S104  compared with, not listened on
        own_names |= names(settings.feedback_host)
    return Door((), own_names, body_types=None)


def links(settings: Settings) -> dict[str, str]:
    """Addresses that open a session, by the name of the port."""
    return {name: link(settings, name) for name in ("dagster", "sql")}


def link(settings: Settings, port: str) -> str:
    """The address of the pages at a port (`dagster`, `sql`), with what opens a session there."""
    token = {"dagster": DAGSTER_TOKEN, "sql": SQL_TOKEN}[port]
    (credential,) = _credentials(settings, token)
    return credential.link(f"http://{HOST}:{settings.port(port)}/", clock.seconds())


def authorization(settings: Settings, token: str) -> dict[str, str]:
    """The header with which a program of the stack asks another."""
    return {"Authorization": f"Bearer {stored_token(settings.secrets / token)}"}


def _credentials(settings: Settings, token: str) -> tuple[Credential, ...]:
    return (Credential(_cookie(settings, token), stored_token(settings.secrets / token)),)


def _cookie(settings: Settings, token: str) -> str:
    """Of two stacks on a machine each has cookies of its own."""
    return f"headrace_{token}_{settings.port_base}"


def _no_query_in_an_address(asked: Asked) -> Refusal | None:
    """GraphQL is posted as JSON: Dagster would run a mutation in an address. Its pages name the operation there."""
    given = {name for name, _ in parse_qsl(asked.query, keep_blank_values=True)}
    if asked.path.rstrip("/") == "/graphql" and given - ({"op"} if asked.method == "POST" else set()):
        return Refusal(405, "GraphQL is posted as JSON here.")
    return None
