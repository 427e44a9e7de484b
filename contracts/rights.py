"""Gives PostgreSQL's roles the rights of `contracts.postgres_roles`, and says which one is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from contracts.errors import Terminal
from contracts.postgres_roles import NAMES, ROLES, Right, Role


def grant(db: psycopg.Connection, *schemas: str) -> None:
    """Give the roles their rights on the tables of these schemas that there are. Their owner runs it.

    On a PostgreSQL of the user's own with one user for everything there is nobody to give them to.
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
    # The words of a privilege are this module's own.
    privileges = sql.SQL(right.privileges)
    if not right.tables:
        db.execute(sql.SQL("grant {} on all tables in schema {} to {}").format(privileges, schema, to))
    for table in right.tables:
        name = sql.Identifier(right.schema, table)
        if db.execute("select to_regclass(%s)", (f"{right.schema}.{table}",)).fetchone() != (None,):
            db.execute(sql.SQL("grant {} on {} to {}").format(privileges, name, to))


@contextmanager
def rights_needed() -> Iterator[None]:
    """Say which right is missing, and where they are written down.

    Raises:
        Terminal: PostgreSQL refuses what a program has to do.
    """
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise Terminal(
            f"A role of PostgreSQL lacks a right: {error.diag.message_primary or error}.",
            remedy="Give it what docs/reference/postgres.md lists; `headrace up` does so on the built-in one.",
        ) from error
