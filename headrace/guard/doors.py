"""The stack's HTTP ports and the credentials for each. docs/explanation/security.md lists them."""

from urllib.parse import parse_qsl

from headrace.contracts import clock
from headrace.contracts.settings import HOST, Settings
from headrace.guard.rules import Asked, Door, Refusal, names
from headrace.guard.sessions import Credential
from headrace.guard.tokens import stored_token

SQL_TOKEN, DAGSTER_TOKEN, METRICS_TOKEN = "serve", "dagster", "metrics"
_STATEMENTS = frozenset({"", "application/sql", "text/plain", "application/x-www-form-urlencoded"})
"""Content types of a statement: `curl --data-binary` sends a form's type. Pages of other origins do not have the
token."""


def dagster_door(settings: Settings) -> Door:
    """Dagster's pages and GraphQL, which can do everything that the stack's account can do."""
    return Door(_credentials(settings, DAGSTER_TOKEN), names(settings.http_hosts), also=_no_query_in_an_address)


def sql_door(settings: Settings, token: str) -> Door:
    """SQL queries. A Dagster session also opens this port, since Dagster's pages embed plots from it."""
    own = Credential(_cookie(settings, SQL_TOKEN), token)
    return Door(
        (own, *_credentials(settings, DAGSTER_TOKEN)),
        names(settings.http_hosts),
        body_types=_STATEMENTS,
        images="/plots/",
    )


def metrics_door(settings: Settings) -> Door:
    """Metrics for Prometheus, with a bearer token from a file."""
    return Door(_credentials(settings, METRICS_TOKEN), names(settings.http_hosts))


def feedback_door(settings: Settings) -> Door:
    """Public by design; its API requires its own token."""
    own_names = names(settings.http_hosts)
    if settings.feedback_host not in ("0.0.0.0", "::"):  # noqa: S104  compared, not bound
        own_names |= names(settings.feedback_host)
    return Door((), own_names, body_types=None)


def links(settings: Settings) -> dict[str, str]:
    """URLs that open a session, by port name."""
    return {name: link(settings, name) for name in ("dagster", "sql")}


def link(settings: Settings, port: str) -> str:
    """The URL of the pages at a port (`dagster`, `sql`), with the secret that opens a session."""
    token = {"dagster": DAGSTER_TOKEN, "sql": SQL_TOKEN}[port]
    (credential,) = _credentials(settings, token)
    return credential.link(f"http://{HOST}:{settings.port(port)}/", clock.seconds())


def authorization(settings: Settings, token: str) -> dict[str, str]:
    """The authorization header for requests between programs of the stack."""
    return {"Authorization": f"Bearer {stored_token(settings.secrets / token)}"}


def _credentials(settings: Settings, token: str) -> tuple[Credential, ...]:
    return (Credential(_cookie(settings, token), stored_token(settings.secrets / token)),)


def _cookie(settings: Settings, token: str) -> str:
    """A cookie name that is unique to this stack: two stacks on one machine do not share cookies."""
    return f"headrace_{token}_{settings.port_base}"


def _no_query_in_an_address(asked: Asked) -> Refusal | None:
    """Deny GraphQL queries in the URL: Dagster would run mutations from it. Its pages only put the operation name
    there."""
    given = {name for name, _ in parse_qsl(asked.query, keep_blank_values=True)}
    if asked.path.rstrip("/") == "/graphql" and given - ({"op"} if asked.method == "POST" else set()):
        return Refusal(405, "Send GraphQL as JSON in a POST request.")
    return None
