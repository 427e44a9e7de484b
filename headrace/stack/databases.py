"""PostgreSQL's roles, databases and privileges, set up at each start before any program connects.

On the stack's own server the superuser does this, and is used for nothing else. On a server of the user's own, only
missing databases are created, by the user in the settings.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

from headrace.contracts.errors import Terminal
from headrace.contracts.postgres_roles import (
    ADMIN,
    NAMES,
    ROLES,
    Database,
    Role,
    RoleName,
    may_connect,
    owned_schemas,
    owner_of,
    schemas_of,
)
from headrace.contracts.rights import grant
from headrace.contracts.settings import HOST, Settings
from headrace.stack.files import secret, write_file

CONNECT_TIMEOUT_SECONDS = 3
_FORMER_ADMIN = "headrace"
"""The superuser of homes created before programs had roles of their own."""
_OWNED_BY_THE_SUPERUSER = """
with objects as (
    select 'pg_namespace'::regclass::oid as kind, oid, oid as schema from pg_namespace where nspowner = 10
    union all
    select 'pg_class'::regclass, oid, relnamespace from pg_class
    where relowner = 10 and relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all
    select 'pg_proc'::regclass, oid, pronamespace from pg_proc where proowner = 10
    union all
    select 'pg_type'::regclass, oid, typnamespace from pg_type
    where typowner = 10 and (typtype in ('e', 'd', 'r')
        or exists (select from pg_class where pg_class.oid = typrelid and relkind = 'c'))
    union all
    select 'pg_publication'::regclass, oid, null from pg_publication where pubowner = 10
)
select identified.type, identified.identity, nspname
from objects
left join pg_namespace on pg_namespace.oid = schema
cross join lateral pg_identify_object(kind, objects.oid, 0) identified
where (nspname is null or nspname !~ '^pg_' and nspname <> 'information_schema')
    -- Objects of an extension, a column (its sequence) or a table (its row type) have no owner of their own.
    and not exists (
        select from pg_depend
        where classid = kind and objid = objects.oid and deptype in ('a', 'e', 'i')
            and (deptype = 'e' or refclassid = 'pg_class'::regclass)
    )
order by identified.type <> 'schema'
"""


def write_passwords(settings: Settings) -> None:
    """Create a password for each role, and write the password files of libpq: the superuser's is separate."""
    former = settings.secrets / "postgres"
    if former.is_file():  # of homes created before there were several roles
        folder = settings.secrets / "postgres-roles"
        folder.mkdir(mode=0o700, exist_ok=True)
        former.replace(folder / _FORMER_ADMIN)
    lines = [f"{HOST}:*:*:{name}:{password(settings, name)}\n" for name in NAMES]
    write_file(settings.pgpass, "".join(lines))
    write_file(_admin_file(settings), f"{HOST}:*:*:{ADMIN}:{password(settings, ADMIN)}\n")


def password(settings: Settings, role: str) -> str:
    """The password of a role of the stack's own server, made at its first use."""
    return secret(settings.secrets / "postgres-roles", role)


def admin_conninfo(settings: Settings, database: str = "postgres") -> str:
    """libpq connection string of the superuser of the stack's own server."""
    server = f"host={HOST} port={settings.port('postgres')} user={ADMIN} passfile='{_admin_file(settings)}'"
    return f"{server} dbname={database}"


def prepare_databases(settings: Settings) -> None:
    """Create missing roles and databases, and set their owners and privileges. Idempotent.

    1. in a home created before programs had roles: the superuser is renamed, in one transaction
    2. the roles, with their passwords
    3. each database, its connect privileges, and in one transaction the owners and privileges of its contents

    If it is killed after any step, the next start does the rest.

    Raises:
        Terminal: PostgreSQL does not allow this.
    """
    names = _databases(settings)
    if settings.postgres_conninfo is not None:
        for kind, name in names.items():
            _create_where_missing(settings, name, owner_of(kind))
        return
    with _as_admin(settings) as db:
        _prepare_roles(settings, db)
        for name in ("postgres", "template1"):
            db.execute(sql.SQL("revoke all on database {} from public").format(sql.Identifier(name)))
        for kind, name in names.items():
            _prepare_database(db, kind, name)
    for kind, name in names.items():
        with psycopg.connect(admin_conninfo(settings, name), connect_timeout=CONNECT_TIMEOUT_SECONDS) as db:
            _prepare_contents(db, kind)


def _databases(settings: Settings) -> Mapping[Database, str]:
    from headrace.orchestration.instance.config import DATABASE as DAGSTER_DATABASE

    shop: dict[Database, str] = {"shop": settings.shop_database} if settings.connect else {}
    return {"stack": settings.database, "dagster": DAGSTER_DATABASE, **shop}


def _admin_file(settings: Settings) -> Path:
    return settings.secrets / "pgpass-admin"


@contextmanager
def _as_admin(settings: Settings) -> Iterator[psycopg.Connection]:
    try:
        db = psycopg.connect(admin_conninfo(settings), autocommit=True, connect_timeout=CONNECT_TIMEOUT_SECONDS)
    except psycopg.OperationalError:
        _rename_former_admin(settings)
        db = psycopg.connect(admin_conninfo(settings), autocommit=True, connect_timeout=CONNECT_TIMEOUT_SECONDS)
    with db:
        yield db


def _rename_former_admin(settings: Settings) -> None:
    former = settings.conninfo("postgres", _FORMER_ADMIN)
    try:
        db = psycopg.connect(former, connect_timeout=CONNECT_TIMEOUT_SECONDS)
    except psycopg.OperationalError as error:
        raise Terminal(
            "The stack's PostgreSQL accepts none of the passwords in its home.",
            remedy=f"Restore the folder {settings.secrets} of this home.",
        ) from error
    # A session cannot rename its own role.
    helper = sql.Identifier("headrace_setup")
    with db:
        db.execute(sql.SQL("create role {} superuser").format(helper))
        db.execute(sql.SQL("set session authorization {}").format(helper))
        db.execute(sql.SQL("alter role {} rename to {}").format(sql.Identifier(_FORMER_ADMIN), sql.Identifier(ADMIN)))
        db.execute("reset session authorization")
        db.execute(sql.SQL("drop role {}").format(helper))
        _set_password(settings, db, ADMIN)


def _prepare_roles(settings: Settings, db: psycopg.Connection) -> None:
    present = {name for (name,) in db.execute("select rolname from pg_roles where rolname = any(%s)", (list(NAMES),))}
    for role in ROLES:
        with db.transaction():
            if role.name not in present:
                db.execute(sql.SQL("create role {}").format(sql.Identifier(role.name)))
            db.execute(sql.SQL(_attributes(role)).format(sql.Identifier(role.name)))
            _set_password(settings, db, role.name)


def _attributes(role: Role) -> LiteralString:
    rights: LiteralString = "alter role {} with login nosuperuser nocreatedb nocreaterole nobypassrls "
    return rights + ("replication" if role.replication else "noreplication")


def _set_password(settings: Settings, db: psycopg.Connection, role: str) -> None:
    # The verifier, so that no statement, which might be logged, contains the password itself.
    verifier = db.pgconn.encrypt_password(password(settings, role).encode(), role.encode(), b"scram-sha-256").decode()
    db.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(verifier)))


def _prepare_database(db: psycopg.Connection, kind: Database, name: str) -> None:
    database, owner = sql.Identifier(name), sql.Identifier(owner_of(kind))
    if db.execute("select 1 from pg_database where datname = %s", (name,)).fetchone() is None:
        db.execute(sql.SQL("create database {} owner {}").format(database, owner))
    with db.transaction():
        db.execute(sql.SQL("alter database {} owner to {}").format(database, owner))
        db.execute(sql.SQL("revoke all on database {} from public").format(database))
        for role in may_connect(kind):
            db.execute(sql.SQL("grant connect on database {} to {}").format(database, sql.Identifier(role)))


def _prepare_contents(db: psycopg.Connection, kind: Database) -> None:
    owner, owners = owner_of(kind), owned_schemas(kind)
    for object_kind, identity, schema in db.execute(_OWNED_BY_THE_SUPERUSER).fetchall():
        new: RoleName = owners.get(identity if object_kind == "schema" else schema, owner)
        # PostgreSQL returns kind and identity quoted where needed.
        db.execute(f"alter {object_kind} {identity} owner to {new}".encode())
    for schema, role in owners.items():
        db.execute(
            sql.SQL("create schema if not exists {} authorization {}").format(
                sql.Identifier(schema), sql.Identifier(role)
            )
        )
    grant(db, *schemas_of(kind))


def _create_where_missing(settings: Settings, name: str, role: RoleName) -> None:
    """Make a database of a server of the user's own, unless it is there."""
    try:
        psycopg.connect(settings.conninfo(name, role), connect_timeout=CONNECT_TIMEOUT_SECONDS).close()
        return
    except psycopg.OperationalError:
        pass  # there is no such database, or another reason, which is met again below
    try:
        with psycopg.connect(
            settings.conninfo("postgres", role), autocommit=True, connect_timeout=CONNECT_TIMEOUT_SECONDS
        ) as db:
            db.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
        return  # another process was first
    except psycopg.errors.InsufficientPrivilege as error:
        raise Terminal(
            f"PostgreSQL does not allow {role if not settings.postgres_one_user else 'this user'} to create"
            f" the database {name}.",
            remedy="Create it as docs/reference/postgres.md shows.",
        ) from error
    except psycopg.OperationalError as error:
        raise Terminal(
            f"PostgreSQL does not allow connections to the database {name}: {str(error).strip()}.",
            remedy="Create roles and databases as docs/reference/postgres.md shows.",
        ) from error
