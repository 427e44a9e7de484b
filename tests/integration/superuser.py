"""Connections of PostgreSQL's superuser, for operations that tests need and no program has the rights for."""

from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from headrace.contracts.postgres_roles import ADMIN
from headrace.contracts.settings import Settings


def as_superuser(settings: Settings, database: str = "postgres") -> str:
    """libpq connection string; `settings` are those of a test on the session's servers, or of these themselves."""
    given = conninfo_to_dict(settings.conninfo())
    passfile = Path(str(given["passfile"])).with_name("pgpass-admin")
    return make_conninfo("", **(given | {"user": ADMIN, "passfile": str(passfile), "dbname": database}))
