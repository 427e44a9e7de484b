"""Who is champion, and who was: asked of PostgreSQL in one statement, without MLflow.

Importing MLflow takes seconds and 100 MB, too much for a process that streams. The tables read here are MLflow's; a
test holds what they say against what its client says.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

import psycopg
from psycopg import sql

from contracts.errors import Transient
from contracts.postgres_roles import RoleName
from contracts.rights import grant, rights_needed

SCHEMA = "mlflow"
"""Schema of MLflow's tables in the stack's database."""
CHAMPION, CHALLENGER = "champion", "challenger"
FOLDER_TAG, SERVING_TAG = "headrace.folder", "headrace.sha256.serving"
ROLE: RoleName = "headrace_models"
CONNECT_SECONDS = 3
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
    """A version in force: its number, its folder below the stack's models, the SHA-256 of the file that scores."""

    model: str
    version: int
    folder: str
    sha256: str

    @property
    def name(self) -> str:
        """What scores call it."""
        return f"{self.model}-{self.version}"


@dataclass(frozen=True)
class Reign:
    """A change of champion; `version` is None when there was none any more."""

    version: int | None
    since: datetime


def champion(conninfo: str, model: str) -> Champion | None:
    """The model's champion, or None while there is none.

    Raises:
        Transient: PostgreSQL is away.
    """
    with _connected(conninfo) as db:
        try:
            row = db.execute(_CHAMPION, [model]).fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return None  # nothing was ever registered
    return None if row is None else Champion(model, *row)


def reigns(conninfo: str, model: str) -> list[Reign]:
    """Every change of the model's champion, the oldest first."""
    with _connected(conninfo) as db:
        rows = db.execute("select version, since from models.champions where model = %s order by number", [model])
        return [Reign(*row) for row in rows]


def former(history: list[Reign]) -> int | None:
    """The version that the present champion took over from, or None where it was the first.

    Going back is no succession: after it, the former is the one before that, and a second rollback goes further back.
    """
    line: list[int | None] = []
    for reign in history:
        if len(line) > 1 and line[-2] == reign.version:
            line.pop()
        else:
            line.append(reign.version)
    return line[-2] if len(line) > 1 else None


def ensure_schemas(db: psycopg.Connection) -> None:
    """Make the schemas that are missing. Where the stack's set-up made them, the role needs no right to."""
    for schema in (SCHEMA, "models"):
        if db.execute("select 1 from pg_namespace where nspname = %s", (schema,)).fetchone() is None:
            db.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))


def prepare(conninfo: str) -> None:
    """Keep the history of champions, once MLflow's tables are there. A second call changes nothing."""
    with _connected(conninfo) as db:
        db.execute(files("models.registry").joinpath("champions.sql").read_bytes())
        grant(db, SCHEMA)


@contextmanager
def held(conninfo: str, model: str) -> Iterator[None]:
    """One process at a time decides about a model's champion. The lock ends with the process that holds it.

    Raises:
        Transient: PostgreSQL is away.
    """
    with _connected(conninfo) as db:
        db.execute("select pg_advisory_lock(%s, hashtext(%s))", [_LOCK_SPACE, model])
        yield


@contextmanager
def _connected(conninfo: str) -> Iterator[psycopg.Connection]:
    try:
        with (
            rights_needed(),
            psycopg.connect(
                conninfo, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name="headrace models"
            ) as db,
        ):
            yield db
    except psycopg.OperationalError as error:
        raise Transient(f"The model registry in PostgreSQL does not answer: {str(error).strip()}") from error
