"""PostgreSQL's roles: which programs use which role, and the least privileges that each needs.

Setup, documentation and tests use this table; when and how privileges are granted is not decided here.
"""

from dataclasses import dataclass
from typing import Literal, LiteralString

RoleName = Literal[
    "headrace",
    "headrace_lander",
    "headrace_dagster",
    "headrace_models",
    "headrace_scorer",
    "headrace_sink",
    "headrace_capture",
    "headrace_app",
]
Database = Literal["stack", "dagster", "shop"]
"""The purpose of a database; its name is a setting."""
ADMIN = "headrace_admin"
"""The superuser of the built-in PostgreSQL. Only the stack's setup logs in as it."""


@dataclass(frozen=True)
class Right:
    """Privileges on tables of a schema that another role owns; on all of its tables if none is named."""

    schema: str
    privileges: LiteralString
    tables: tuple[str, ...] = ()


@dataclass(frozen=True)
class Role:
    """A login role. It can connect to its database, and to other databases that it owns.

    `owns` lists the databases that it owns; `schemas` lists schemas of `database` that it owns although another role
    owns the database.
    """

    name: RoleName
    used_by: str
    database: Database
    owns: tuple[Database, ...] = ()
    schemas: tuple[str, ...] = ()
    rights: tuple[Right, ...] = ()
    replication: bool = False


ROLES: tuple[Role, ...] = (
    Role(
        *("headrace", "builds, the command line, Connect's watcher, and table creation at startup"),
        database="stack",
        owns=("stack", "shop"),
    ),
    Role(
        *("headrace_lander", "landers"),
        database="stack",
        rights=(Right("landing", "select, insert, update"),),
    ),
    Role(*("headrace_dagster", "Dagster's storage"), database="dagster", owns=("dagster",)),
    Role(
        *("headrace_models", "training and the model registry (MLflow)"),
        database="stack",
        schemas=("mlflow", "models"),
    ),
    Role(
        *("headrace_scorer", "scorers, to look up the champion"),
        database="stack",
        rights=(Right("mlflow", "select", ("registered_model_aliases", "model_version_tags")),),
    ),
    Role(
        *("headrace_sink", "Connect's sinks"),
        database="stack",
        rights=(
            Right("serving", "select, insert, update, delete", ("customer_behavior",)),
            Right("staging", "select, insert, update", ("customer_sentiment",)),
        ),
    ),
    Role(
        *("headrace_capture", "Connect's sources"),
        database="shop",
        rights=(
            Right("public", "select", ("customers", "order_outbox")),
            Right("public", "select, insert, update", ("heartbeat",)),
        ),
        replication=True,
    ),
    Role(
        *("headrace_app", "your applications that read the tables Connect writes; no program of the stack"),
        database="stack",
        rights=(Right("serving", "select", ("customer_behavior",)),),
    ),
)
NAMES: tuple[RoleName, ...] = tuple(role.name for role in ROLES)


def owner_of(database: Database) -> RoleName:
    """The role that owns a database."""
    return next(role.name for role in ROLES if database in role.owns)


def may_connect(database: Database) -> list[RoleName]:
    """The roles that connect to a database, its owner among them."""
    return [role.name for role in ROLES if role.database == database or database in role.owns]


def owned_schemas(database: Database) -> dict[str, RoleName]:
    """The owner of each schema that the database's owner does not own."""
    return {schema: role.name for role in ROLES if role.database == database for schema in role.schemas}


def schemas_of(database: Database) -> set[str]:
    """The schemas on which roles that connect to a database have privileges."""
    return {right.schema for role in ROLES if role.database == database for right in role.rights}
