"""Current and former champions, read from PostgreSQL in one statement, without MLflow.

Importing MLflow takes seconds and 100 MB, too much for a stream processor. The tables read here are MLflow's; a test
compares them with what MLflow's client returns.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

import psycopg
from psycopg import sql

from headrace.contracts.postgres import postgres_needed
from headrace.contracts.postgres_roles import RoleName
from headrace.contracts.rights import grant, rights_needed

SCHEMA = "mlflow"
"""Schema of MLflow's tables in the stack's database."""
CHAMPION, CHALLENGER = "champion", "challenger"
FOLDER_TAG, SERVING_TAG = "headrace.folder", "headrace.sha256.serving"
ROLE: RoleName = "headrace_models"
CONNECT_SECONDS = 3
SUBJECT = "The model registry in PostgreSQL"
"""The subject of errors about it."""
_LOCK_SPACE = 0x6D6F646C
"""The bytes of `modl`: advisory locks are numbers."""

_CHAMPION = f"""
select aliases.version, folder.value, serving.value
from {SCHEMA}.registered_model_aliases aliases
join {SCHEMA}.model_version_tags folder using (workspace, name, version)
join {SCHEMA}.model_version_tags serving using (workspace, name, version)
where aliases.name = %s and aliases.alias = '{CHAMPION}' and folder.key = '{FOLDER_TAG}' and serving.key = '{SERVING_TAG}'
"""  # noqa: S608, E501  names of this module


@dataclass(frozen=True)
class Champion:
    """The champion: its version number, its folder in the stack's models, the SHA-256 of its serving file."""

    model: str
    version: int
    folder: str
    sha256: str

    @property
    def name(self) -> str:
        """The model version in scores."""
        return f"{self.model}-{self.version}"


@dataclass(frozen=True)
class AliasChange:
    """A change of the champion alias; `version` is None if the alias was removed."""

    version: int | None
    since: datetime


def champion(conninfo: str, model: str) -> Champion | None:
    """The model's champion, or None if there is none.

    Raises:
        Transient: PostgreSQL is unavailable.
    """
    with _connected(conninfo) as db:
        try:
            row = db.execute(_CHAMPION, [model]).fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return None  # no model is registered yet
    return None if row is None else Champion(model, *row)


def alias_changes(conninfo: str, model: str) -> list[AliasChange]:
    """Every change of the model's champion, oldest first."""
    with _connected(conninfo) as db:
        rows = db.execute("select version, since from models.champions where model = %s order by number", [model])
        return [AliasChange(*row) for row in rows]


def former(history: list[AliasChange]) -> int | None:
    """The version that the current champion replaced, or None if it is the first.

    A rollback undoes a promotion: the former champion is then the one before, so a second rollback goes further back.
    """
    line: list[int | None] = []
    for change in history:
        if len(line) > 1 and line[-2] == change.version:
            line.pop()
        else:
            line.append(change.version)
    return line[-2] if len(line) > 1 else None


def ensure_schemas(db: psycopg.Connection) -> None:
    """Create missing schemas. If the stack's setup has created them, the role needs no right to."""
    for schema in (SCHEMA, "models"):
        if db.execute("select 1 from pg_namespace where nspname = %s", (schema,)).fetchone() is None:
            db.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))


def prepare(conninfo: str) -> None:
    """Create the history of champions, after MLflow's tables. Idempotent."""
    with _connected(conninfo) as db:
        db.execute(files("headrace.models.registry").joinpath("champions.sql").read_bytes())
        grant(db, SCHEMA)


@contextmanager
def held(conninfo: str, model: str) -> Iterator[None]:
    """Hold the lock on a model's champion: one process decides at a time. The lock ends with its process.

    Raises:
        Transient: PostgreSQL is unavailable.
    """
    with _connected(conninfo) as db:
        db.execute("select pg_advisory_lock(%s, hashtext(%s))", [_LOCK_SPACE, model])
        yield


@contextmanager
def _connected(conninfo: str) -> Iterator[psycopg.Connection]:
    with (
        postgres_needed(SUBJECT),
        rights_needed(),
        psycopg.connect(
            conninfo, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name="headrace models"
        ) as db,
    ):
        yield db
