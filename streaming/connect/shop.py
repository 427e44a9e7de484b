"""The shop's database: the source of change data capture."""

from importlib.resources import files

import psycopg
from psycopg import sql

from headrace.contracts.errors import Terminal
from headrace.contracts.fields import fields_of
from headrace.contracts.postgres import postgres_needed
from headrace.contracts.postgres_roles import RoleName
from headrace.contracts.rights import grant, rights_needed
from headrace.contracts.settings import Settings
from headrace.contracts.topics import TOPICS

PUBLICATION = "headrace"
ORDERS_TABLE = "order_outbox"
TABLES = ("customers", ORDERS_TABLE, "heartbeat")
_CUSTOMER = TOPICS["customers"].contract if "customers" in TOPICS else None
CUSTOMER_COLUMNS = tuple(
    field.name for field in (fields_of(_CUSTOMER) if _CUSTOMER is not None else ()) if field.name != "deleted"
)
"""The captured columns of a customer. A closed account is represented by the deletion of its row."""
HEARTBEAT = (
    "insert into heartbeat values ('shop', clock_timestamp())"
    " on conflict (connector) do update set beat_at = excluded.beat_at"
)
_CONNECT_TIMEOUT_SECONDS = 10


SUBJECT = "The shop's database"
"""The subject of errors about it."""


def connect(settings: Settings, role: RoleName = "headrace") -> psycopg.Connection:
    """A connection to the shop's database.

    Raises:
        Transient: PostgreSQL is unavailable, or the database does not exist yet.
    """
    with postgres_needed(SUBJECT):
        return psycopg.connect(
            settings.conninfo(settings.shop_database, role),
            connect_timeout=_CONNECT_TIMEOUT_SECONDS,
            application_name="headrace-shop",
        )


def prepare(settings: Settings) -> None:
    """Create the tables and the publication if they do not exist yet.

    Raises:
        Terminal: the server does not support logical replication.
    """
    with rights_needed(), connect(settings) as db:
        db.execute("select pg_advisory_xact_lock(hashtext('headrace shop'))")
        db.execute(files("headrace.streaming.connect").joinpath("shop.sql").read_bytes())
        if not db.execute("select 1 from pg_publication where pubname = %s", (PUBLICATION,)).fetchone():
            tables = sql.SQL(", ").join(map(sql.Identifier, TABLES))
            db.execute(sql.SQL("create publication {} for table {}").format(sql.Identifier(PUBLICATION), tables))
        grant(db, "public")
        level = db.execute("show wal_level").fetchone()
    if level != ("logical",):
        raise Terminal(
            f"PostgreSQL runs with wal_level {level[0] if level else ''}, from which changes cannot be captured.",
            remedy="Set wal_level = logical and restart it, or turn Connect off with HEADRACE_CONNECT=false.",
        )
