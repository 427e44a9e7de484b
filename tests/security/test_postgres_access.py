"""PostgreSQL: no access without a password, and each role has exactly the rights of its row in the table."""

import os
import socket
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from headrace.contracts.postgres_roles import ADMIN, NAMES, ROLES, Database, may_connect, owned_schemas, owner_of
from headrace.contracts.settings import HOST, Settings
from headrace.models.registry.champions import SCHEMA
from headrace.orchestration.instance import config as dagster
from headrace.streaming.connect.connectors import SINK_ROLE
from tests.integration.superuser import as_superuser
from tests.security.other_account import as_nobody, python_as_nobody
from tests.security.test_connect_access import login, validated

TABLE_PRIVILEGES = ("select", "insert", "update", "delete", "truncate", "references", "trigger", "maintain")
ATTACKS = {
    "a program on the server": "copy (select 1) to program 'true'",
    "a program's output": "create temporary table found (line text); copy found from program 'id'",
    "a file of the server": "copy (select 1) to '/tmp/headrace-attack'",
    "a password": "select pg_read_file('../secrets/pgpass')",
    "a folder": "select pg_ls_dir('.')",
    "a large object from a file": "select lo_import('/etc/passwd')",
    "a role": "create role attacker superuser login",
    "a password of another": "alter role headrace_admin password 'x'",
    "its own rights": "alter role current_user superuser",
    "the superuser's role": "set role headrace_admin",
    "the server's settings": "alter system set log_statement = 'all'",
    "an extension": "create extension citext",
    "a language": "create language c",
    "the passwords": "select rolpassword from pg_authid",
    "a database": "create database attack",
    "the server's end": "select pg_reload_conf()",
}


def databases(settings: Settings) -> dict[Database, str]:
    return {"stack": settings.database, "dagster": dagster.DATABASE, "shop": settings.shop_database}


@pytest.mark.parametrize("role", NAMES)
def test_a_role_gets_into_its_own_databases_and_no_other(connect_worker: Settings, role: str) -> None:
    own = {name for kind, name in databases(connect_worker).items() if role in may_connect(kind)}
    assert own
    for name in (*databases(connect_worker).values(), "postgres", "template1"):
        conninfo = connect_worker.conninfo(name, role)  # pyright: ignore[reportArgumentType]  a name
        if name in own:
            psycopg.connect(conninfo).close()
        else:
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                psycopg.connect(conninfo)


def test_no_role_has_rights_on_the_server_or_is_a_member_of_another(servers: Settings) -> None:
    with psycopg.connect(as_superuser(servers)) as db:
        found = db.execute(
            "select rolname, rolsuper or rolcreaterole or rolcreatedb or rolbypassrls, rolreplication from pg_roles"
            " where rolcanlogin and rolname <> %s",
            (ADMIN,),
        ).fetchall()
        members = db.execute(
            "select member::regrole::text from pg_auth_members where member::regrole::text = any(%s)", (list(NAMES),)
        ).fetchall()
    assert {name: (great, replicates) for name, great, replicates in found} == {
        role.name: (False, role.replication) for role in ROLES
    }
    assert members == []


def test_each_role_has_on_each_table_what_its_row_says(connected: Settings) -> None:
    from headrace.models.registry.store import Registry

    Registry.open(connected)
    seen: set[tuple[str, str]] = set()
    for kind, name in databases(connected).items():
        with psycopg.connect(as_superuser(connected, name)) as db:
            tables = db.execute(
                "select nspname, relname, relowner::regrole::text from pg_class"
                " join pg_namespace on pg_namespace.oid = relnamespace"
                " where relkind in ('r', 'p', 'v', 'S') and nspname !~ '^pg_' and nspname <> 'information_schema'"
            ).fetchall()
            for schema, table, owner in tables:
                assert owner == owned_schemas(kind).get(schema, owner_of(kind)), (name, schema, table)
                for role in ROLES:
                    if role.name == owner or table.endswith("_seq"):
                        continue
                    rights = [right for right in role.rights if right.schema == schema and role.database == kind]
                    wanted = {
                        each for right in rights if table in (right.tables or (table,))
                        for each in right.privileges.split(", ")
                    }  # fmt: skip
                    granted = {
                        each
                        for each in TABLE_PRIVILEGES
                        if db.execute(
                            "select has_table_privilege(%s, %s, %s)", (role.name, f'"{schema}"."{table}"', each)
                        ).fetchone()
                        == (True,)
                    }
                    assert granted == wanted, (role.name, schema, table)
                    seen |= {(schema, table)} if wanted else set()
    assert {schema for schema, _ in seen} == {"landing", "serving", "staging", SCHEMA, "public"}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_no_role_reaches_beyond_its_databases(connect_worker: Settings, attack: str) -> None:
    names = databases(connect_worker)
    for role in ROLES:
        with psycopg.connect(connect_worker.conninfo(names[role.database], role.name), autocommit=True) as db:
            with pytest.raises(psycopg.Error) as refusal:
                db.execute(attack.encode())
            assert isinstance(
                refusal.value,
                psycopg.errors.InsufficientPrivilege
                | psycopg.errors.UndefinedFile
                | psycopg.errors.FeatureNotSupported
                | psycopg.errors.DuplicateObject,
            ), (role.name, refusal.value)


@pytest.mark.parametrize("role", [role.name for role in ROLES if role.database == "stack" and not role.owns])
def test_a_program_cannot_create_tables_in_shared_schemas(connect_worker: Settings, role: str) -> None:
    with psycopg.connect(connect_worker.conninfo(role=role)) as db:  # pyright: ignore[reportArgumentType]  a name
        for schema in ("public", "landing"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(sql.SQL("create table {} (x int)").format(sql.Identifier(schema, "attack")))
            db.rollback()


def test_the_password_that_connect_can_be_made_to_show_opens_two_tables_and_no_shell(connected: Settings) -> None:
    shown = validated(connected, connect_secrets(connected), SINK_ROLE, login(connected))
    password = connect_secrets(connected).read_text().partition(f"{SINK_ROLE}=")[2].split("\n")[0]
    assert password in shown.text, "the former attack: any user of the REST API sees this password"
    given = f"host={HOST} port={port(connected)} user={SINK_ROLE} password={password} dbname={connected.database}"
    with psycopg.connect(given, autocommit=True) as db:
        for statement in (ATTACKS["a program's output"], ATTACKS["a program on the server"]):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(statement.encode())
        for table in ("landing.commits", "landing.positions"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                db.execute(f"select * from {table}".encode())


def connect_secrets(settings: Settings) -> Path:
    return Path(str(settings.connect_password).removeprefix("${file:").rpartition(":")[0])


def port(settings: Settings) -> str:
    return str(conninfo_to_dict(settings.conninfo())["port"])


def test_another_account_cannot_log_in_as_any_role(servers: Settings) -> None:
    program = (
        "import sys, psycopg\n"
        "for role in sys.argv[2:]:\n"
        "    for password in ('', role, 'guess'):\n"
        "        try: psycopg.connect(f\"{sys.argv[1]} user={role} password='{password}'\"); print(role)\n"
        "        except psycopg.OperationalError as error: assert 'password' in str(error), error\n"
    )
    address = f"host={HOST} port={servers.port('postgres')} dbname=postgres passfile=/none"
    run = python_as_nobody(program, address, ADMIN, "postgres", *NAMES)
    assert (run.returncode, run.stdout) == (0, ""), run.stderr
    read = as_nobody("cat", str(servers.pgpass), str(servers.secrets / "pgpass-admin"))
    assert (read.returncode, read.stdout) == (1, "")


def test_no_account_can_copy_the_server_over_a_replication_connection(servers: Settings) -> None:
    for role in (ADMIN, "headrace_capture"):
        conninfo = as_superuser(servers) if role == ADMIN else servers.conninfo("postgres", "headrace_capture")
        with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry for replication"):
            psycopg.connect(f"{conninfo} replication=true")


def test_no_login_succeeds_without_a_password_or_from_another_machine(servers: Settings) -> None:
    with psycopg.connect(as_superuser(servers)) as db:
        rules = db.execute("select type, address, auth_method from pg_hba_file_rules").fetchall()
        sockets = db.execute("select current_setting('unix_socket_directories')").fetchone()
    assert rules == [("host", HOST, "scram-sha-256")]
    assert sockets == ("",)
    listening = [each.laddr for each in server(servers).net_connections("inet") if each.status == psutil.CONN_LISTEN]
    assert listening == [(HOST, servers.port("postgres"))]
    with socket.create_connection((HOST, servers.port("postgres")), 5):
        pass


def server(settings: Settings) -> psutil.Process:
    return psutil.Process(int((settings.root / "postgres" / "postmaster.pid").read_text().split("\n")[0]))


@pytest.mark.skipif(os.geteuid() != 0, reason="PostgreSQL runs as the stack's own account")
def test_the_server_of_roots_stack_has_no_capability_and_no_way_into_the_home(servers: Settings) -> None:
    main = server(servers)
    for process in (main, *main.children()):
        if process.is_running() and "postgres" in process.name():
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            held = {line.split(":")[0]: int(line.split()[1], 16) for line in lines if line.startswith("Cap")}
            assert {name: held[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == dict.fromkeys(
                ("CapInh", "CapPrm", "CapEff", "CapAmb"), 0
            )
            assert "NoNewPrivs:\t1" in lines
    with psycopg.connect(as_superuser(servers), autocommit=True) as db:
        for path in (
            servers.pgpass,
            "../secrets/pgpass",
            "/proc/self/fd/9/../secrets/pgpass",
            servers.root / "landing",
        ):
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFile)):
                db.execute("select pg_read_file(%s)", (str(path),))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute("select pg_ls_dir(%s)", (str(servers.root),))
