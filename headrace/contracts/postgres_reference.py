"""The page `docs/reference/postgres.md`: the roles, and the script that creates them on a user's own server."""

from collections.abc import Iterator

from headrace.contracts.postgres_roles import ADMIN, ROLES, Database, Role, may_connect, owned_schemas, owner_of

_NAMES: dict[Database, str] = {"stack": "headrace", "dagster": "dagster", "shop": "shop"}
"""The default names of the databases."""

_PAGE = """\
# PostgreSQL and its roles

Each kind of program logs in to PostgreSQL with its own role, which has only the privileges that the program needs. No
program is a superuser. This page is generated from `headrace/contracts/postgres_roles.py`.

| role | used by | databases | may |
|---|---|---|---|
{roles}

No role may run programs on the server, read or write its files, create extensions, roles or databases, or change
another role's password. Only the roles above can connect to these databases.

`headrace_capture` reads changes from the write-ahead log, which requires the attribute REPLICATION.
**PostgreSQL lets such a role copy all files of the server**, including those of other databases; this cannot be
restricted to one database. Its password is only in `secrets/pgpass` and in the file that Connect's connectors read,
`secrets/connect/connect.properties`. If that is too much, turn Connect off with `HEADRACE_CONNECT=false`.

## The stack's own server

`headrace up` creates the roles, their passwords and the databases, and checks them at each start. The superuser,
`{admin}`, is used only for this. All roles log in by password (SCRAM) over 127.0.0.1; the passwords are in
`secrets/pgpass`, the superuser's in `secrets/pgpass-admin`:

    psql "host=127.0.0.1 port=19092 user=headrace dbname=headrace passfile=.headrace/secrets/pgpass"

If root starts the stack, PostgreSQL runs as the account `headrace`. That account has no capabilities and no access to
the stack's home: it gets the folder `postgres` as an open file descriptor. If it cannot access the Python environment
(such as one below `/root`), it runs a copy of PostgreSQL's programs in `/var/lib/headrace`.

`headrace up` migrates a home that was created before these roles existed: its superuser `headrace` becomes `{admin}`, a
new role `headrace` without special privileges replaces it, and all objects in the databases get their current owners.
If the migration is interrupted, the next start completes it.

## A server of your own

Set `HEADRACE_POSTGRES_CONNINFO` to a libpq string **without** `user`, and each program logs in with its role and the
password from `passfile`. First run this as a superuser, with `psql` and your own passwords:

```sql
{script}
```

`HEADRACE_DATABASE` and `HEADRACE_SHOP_DATABASE` set the names of the databases; Dagster's is always `dagster`. When the
stack starts, the owners create their tables and grant privileges on them to the other roles. Connect needs the shop
database. `passfile` has one line per role, `db.example:5432:*:headrace_sink:…`, and must be readable only by you
(`chmod 600`).

With a string that includes `user`, all programs log in as that user. It must own the databases or be allowed to create
them (CREATEDB); with Connect it also needs REPLICATION. It does not need to be a superuser.

If a privilege is missing, the program stops with an error that names it."""


def postgres_page() -> str:
    """The page, as Markdown."""
    rows = "\n".join(f"| `{role.name}` | {role.used_by} | {_databases(role)} | {_may(role)} |" for role in ROLES)
    return _PAGE.format(roles=rows, script=script(), admin=ADMIN)


def _databases(role: Role) -> str:
    kinds = dict.fromkeys((role.database, *role.owns))
    return ", ".join(f"`{_NAMES[kind]}`" for kind in kinds)


def _may(role: Role) -> str:
    found = [f"everything in the database `{_NAMES[kind]}`, which it owns" for kind in role.owns]
    if role.name == owner_of("stack"):
        found[0] += f" (but the schemas {', '.join(f'`{schema}`' for schema in owned_schemas('stack'))})"
    found += [f"everything in the schema `{schema}`, which it owns" for schema in role.schemas]
    for right in role.rights:
        tables = ", ".join(f"`{right.schema}.{name}`" for name in right.tables) or f"all tables of `{right.schema}`"
        found.append(f"{right.privileges}: {tables}")
    return "; ".join([*found, *(["read the server's log (REPLICATION)"] if role.replication else [])])


def script() -> str:
    """The psql script that creates roles and databases with their default names."""
    return "\n".join(_statements())


def _statements() -> Iterator[str]:
    for role in ROLES:
        replication = " replication" if role.replication else ""
        yield f"create role {role.name} login{replication} password '…';"
    for kind, name in _NAMES.items():
        yield f"create database {name} owner {owner_of(kind)};"
        yield f"revoke all on database {name} from public;"
        yield f"grant connect on database {name} to {', '.join(may_connect(kind))};"
    for kind, name in _NAMES.items():
        if owned := owned_schemas(kind):
            yield rf"\connect {name}"
            for schema, owner in owned.items():
                yield f"create schema {schema} authorization {owner};"
