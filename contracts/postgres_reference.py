"""The page `docs/reference/postgres.md`: the roles, and the script that makes them on a server of the user's own."""

from collections.abc import Iterator

from contracts.postgres_roles import ADMIN, ROLES, Database, Role, may_connect, owned_schemas, owner_of

_NAMES: dict[Database, str] = {"stack": "headrace", "dagster": "dagster", "shop": "shop"}
"""What the databases are called by default."""

_PAGE = """\
# PostgreSQL and its roles

Each kind of program logs in to PostgreSQL as a role of its own, which may do what the program needs and no more. No
program is a superuser. The list is in `contracts/postgres_roles.py`; this page is written from it.

| role | used by | databases | may |
|---|---|---|---|
{roles}

No role may run programs on the server, read or write its files, make extensions, roles or databases, or change
another role's password. Nobody but the roles above connects to these databases.

`headrace_capture` reads changes from the server's log, for which PostgreSQL asks the attribute REPLICATION.
**PostgreSQL lets such a role copy all files of the server**, other databases' among them; it cannot be limited to
one. Its password is in `secrets/pgpass` and in the file that Connect's connectors read,
`secrets/connect/connect.properties`, and nowhere else. Where that is too much, turn Connect off with
`HEADRACE_CONNECT=false`.

## The stack's own server

`headrace up` makes the roles, their passwords and the databases, and checks them at each start. The superuser,
`{admin}`, is used for that alone. All roles log in by password (SCRAM) over 127.0.0.1; the passwords are in
`secrets/pgpass`, the superuser's in `secrets/pgpass-admin`:

    psql "host=127.0.0.1 port=19092 user=headrace dbname=headrace passfile=.headrace/secrets/pgpass"

Started by root, PostgreSQL runs as the account `headrace`. That account has no capability and no way into the
stack's home: it gets the folder `postgres` as an open descriptor. Where it cannot enter the Python environment (one
below `/root`), it runs a copy of PostgreSQL's programs in `/var/lib/headrace`.

A home from before there were roles is brought over by the next `headrace up`: its superuser `headrace` becomes
`{admin}`, a role `headrace` without special rights takes its place, and what is in the databases gets its owner of
today. Stopped in between, the next start does the rest.

## A server of your own

Set `HEADRACE_POSTGRES_CONNINFO` to a libpq string **without** `user`, and each program logs in as its role, with
the password that `passfile` has for it. Run this as a superuser first, with `psql` and passwords of your own:

```sql
{script}
```

The names of the databases are those of `HEADRACE_DATABASE` and `HEADRACE_SHOP_DATABASE`; Dagster's is always
`dagster`. The owners make their tables, and give the other roles their rights on them, when the stack starts. The
shop's part is for Connect. `passfile` has a line for each role, `db.example:5432:*:headrace_sink:…`, and belongs to
you alone (`chmod 600`).

A string **with** `user` has everything log in as that one user. It has to own the databases, or to be allowed to
create them (CREATEDB), and with Connect to replicate (REPLICATION). It need not be a superuser.

A right that is missing ends the program with the name of what it may not do."""


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
    """The psql script that makes roles and databases under their default names."""
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
