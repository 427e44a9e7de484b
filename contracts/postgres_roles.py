"""The roles of PostgreSQL: what logs in as which, and the least that each may do.

Set-up, documentation and tests follow this one table; who gives them their rights, and when, is not decided here.
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
"""What a database is for; its name is a setting."""
ADMIN = "headrace_admin"
"""The superuser of the stack's own PostgreSQL. Only the stack's set-up logs in as it."""


@dataclass(frozen=True)
class Right:
    """Privileges on tables of a schema that another role owns; on all of its tables where none is named."""

    schema: str
    privileges: LiteralString
    tables: tuple[str, ...] = ()


@dataclass(frozen=True)
class Role:
    """A role that may log in. It connects to the one database, and to no other unless it owns that.

    `owns` are the databases that it owns, `schemas` those of `database` that it owns beside the owner's.
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
        *("headrace", "builds, the command line, Connect's watcher, and what makes the tables of a start"),
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
        *("headrace_models", "trainings and the registry of models (MLflow)"),
        database="stack",
        schemas=("mlflow", "models"),
    ),
    Role(
        *("headrace_scorer", "what scores, to see who is champion"),
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
        *("headrace_app", "applications of yours that read what Connect serves; nothing of the stack"),
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
    """The owner of each schema that is not the database's owner's."""
    return {schema: role.name for role in ROLES if role.database == database for schema in role.schemas}


def schemas_of(database: Database) -> set[str]:
    """The schemas in which roles that connect to a database have rights."""
    return {right.schema for role in ROLES if role.database == database for right in role.rights}
