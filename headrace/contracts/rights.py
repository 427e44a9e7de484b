"""Grants PostgreSQL's roles the privileges in `headrace.contracts.postgres_roles`, and reports missing ones."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from headrace.contracts.errors import Terminal
from headrace.contracts.postgres_roles import NAMES, ROLES, Right, Role


def grant(db: psycopg.Connection, *schemas: str) -> None:
    """Grant the roles their privileges on the existing tables of these schemas. Must be run by the owner.

    Does nothing on a user's own PostgreSQL with one user for all programs.
    """
    known = {name for (name,) in db.execute("select rolname from pg_roles where rolname = any(%s)", (list(NAMES),))}
    for role in ROLES:
        for right in role.rights:
            if role.name in known and right.schema in schemas:
                _grant(db, role, right)


def _grant(db: psycopg.Connection, role: Role, right: Right) -> None:
    if db.execute("select to_regnamespace(%s)", (right.schema,)).fetchone() == (None,):
        return
    to, schema = sql.Identifier(role.name), sql.Identifier(right.schema)
    db.execute(sql.SQL("grant usage on schema {} to {}").format(schema, to))
    # Privileges come from constants, never from input.
    privileges = sql.SQL(right.privileges)
    if not right.tables:
        db.execute(sql.SQL("grant {} on all tables in schema {} to {}").format(privileges, schema, to))
    for table in right.tables:
        name = sql.Identifier(right.schema, table)
        if db.execute("select to_regclass(%s)", (f"{right.schema}.{table}",)).fetchone() != (None,):
            db.execute(sql.SQL("grant {} on {} to {}").format(privileges, name, to))


@contextmanager
def rights_needed() -> Iterator[None]:
    """Turn a permission error into an error that names the missing privilege and where to look it up.

    Raises:
        Terminal: PostgreSQL denied a required operation.
    """
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise Terminal(
            f"A PostgreSQL role lacks a privilege: {error.diag.message_primary or error}.",
            remedy="Grant those in docs/reference/postgres.md; `headrace up` does so on the built-in server.",
        ) from error
