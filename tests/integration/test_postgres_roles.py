"""Roles of PostgreSQL: a home from before there were any opens, and one's own server is set up as documented."""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg
import psycopg2.extras
import pytest

from headrace.contracts.delivery import DELIVERIES, STAGING, table_sql
from headrace.contracts.errors import Terminal
from headrace.contracts.postgres_reference import script
from headrace.contracts.postgres_roles import ADMIN, NAMES, RoleName
from headrace.contracts.settings import HOST, Settings
from headrace.stack import account, postgres
from headrace.stack.databases import admin_conninfo, prepare_databases
from headrace.stack.files import write_file
from headrace.stack.postgres import prepare_server, server_answers, server_command
from headrace.streaming.connect import shop
from headrace.streaming.connect.applying import prepare as prepare_deliveries
from headrace.streaming.landing.positions import prepare as prepare_accounts

FORMER_PASSWORD = "of-before"
FORMER_REGISTRY = """
create schema mlflow;
create table mlflow.registered_model_aliases (name text, alias text, version integer);
insert into mlflow.registered_model_aliases values ('behavior', 'champion', 3);
create schema models;
create table models.champions (number bigint generated always as identity, model text);
create function models.note_champion() returns trigger language plpgsql as 'begin return null; end';
"""
FORMER_ODDITIES = """
create table "Of a User" (id serial primary key, kind text);
create type mood as enum ('good', 'bad');
create type pair as (one integer, two integer);
create view seen as select * from "Of a User";
create function twice(integer) returns integer language sql as 'select 2 * $1';
"""
OWNERS = """
select nspname, relname, relowner::regrole::text from pg_class join pg_namespace on pg_namespace.oid = relnamespace
where nspname !~ '^pg_' and nspname <> 'information_schema' and relkind in ('r', 'v', 'S', 'c')
union all select nspname, '', nspowner::regrole::text from pg_namespace
where nspname !~ '^pg_' and nspname not in ('information_schema', 'public')
union all select nspname, proname, proowner::regrole::text from pg_proc
join pg_namespace on pg_namespace.oid = pronamespace
where nspname !~ '^pg_' and nspname <> 'information_schema'
union all select nspname, typname, typowner::regrole::text from pg_type
join pg_namespace on pg_namespace.oid = typnamespace
where nspname !~ '^pg_' and nspname <> 'information_schema'
union all select '', pubname, pubowner::regrole::text from pg_publication
"""


@contextmanager
def running(settings: Settings) -> Iterator[None]:
    """The stack's PostgreSQL for the length of the block, and nothing else of the stack."""
    process = subprocess.Popen(server_command(settings))
    try:
        deadline = time.monotonic() + 60
        while not server_answers(settings):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


@pytest.fixture
def settings(tmp_path: Path, free_port_base: Callable[[], int]) -> Settings:
    return Settings(home=tmp_path / "home", port_base=free_port_base())


def make_former_home(settings: Settings) -> None:
    """A home as `headrace up` made it when everything logged in as the superuser `headrace`."""
    write_file(settings.secrets / "postgres", FORMER_PASSWORD + "\n")
    write_file(settings.pgpass, f"{HOST}:*:*:headrace:{FORMER_PASSWORD}\n")
    data, password = settings.root / "postgres", settings.root / "password"
    data.mkdir()
    shutil.copy(settings.secrets / "postgres", password)
    options = ("--username=headrace", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C")
    folder = postgres.binaries()
    assert folder is not None
    command = [str(folder / "initdb"), "-D", str(data), f"--pwfile={password}", *options]
    if account.is_used():
        account.ensure_account()
        account.give(data)
        account.give(password)
        command = account.with_data_and_password(data, password, account.reachable(folder) / "initdb", *options)
    subprocess.run(command, check=True, capture_output=True, cwd="/", umask=0o077)
    with running(settings):
        with former(settings, "postgres") as db:
            for name in ("headrace", "dagster", "shop"):
                db.execute(f"create database {name}".encode())
        with former(settings, "headrace") as db:
            db.execute(files("headrace.contracts").joinpath("landing.sql").read_bytes())
            db.execute("insert into landing.topics (topic, topic_id) values ('orders', gen_random_uuid())")
            db.execute(table_sql(STAGING).encode())
            db.execute(FORMER_REGISTRY)
            db.execute(FORMER_ODDITIES)
        with former(settings, "dagster") as db:
            db.execute("create table runs (id serial primary key)")
        with former(settings, "shop") as db:
            db.execute(files("headrace.streaming.connect").joinpath("shop.sql").read_bytes())
            db.execute("create publication headrace for table customers, order_outbox, heartbeat")
            db.execute("insert into customers (customer_id) values ('A')")


def former(settings: Settings, database: str) -> psycopg.Connection:
    address = f"host={HOST} port={settings.port('postgres')} user=headrace password={FORMER_PASSWORD}"
    return psycopg.connect(f"{address} dbname={database}", autocommit=True)


class Killed(BaseException):
    """Ends the setup at once, as `kill -9` does."""


@contextmanager
def killed_after(statements: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    left = statements
    execute = psycopg.Connection.execute

    def counted(self: psycopg.Connection, *given: Any, **more: Any) -> Any:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        return execute(self, *given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Connection, "execute", counted)
        yield


def test_a_home_from_before_roles_opens_even_if_its_migration_is_killed_at_any_step(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_former_home(settings)
    prepare_server(settings)
    statements, done = 0, False
    with running(settings):
        while not done:
            try:
                with killed_after(statements, monkeypatch):
                    prepare_databases(settings)
                done = True
            except Killed:
                statements += 5
        assert statements > 60, "the setup was stopped at hardly any step"
        prepare_accounts(settings.conninfo())
        prepare_deliveries(settings)
        with psycopg.connect(admin_conninfo(settings)) as db:
            supers = db.execute("select rolname from pg_roles where rolsuper").fetchall()
            owners = dict(db.execute("select datname, datdba::regrole::text from pg_database").fetchall())
        assert supers == [(ADMIN,)]
        assert {name: owners[name] for name in ("headrace", "shop", "dagster")} == {
            "headrace": "headrace",
            "shop": "headrace",
            "dagster": "headrace_dagster",
        }
        for name in ("headrace", "shop", "dagster"):
            with psycopg.connect(admin_conninfo(settings, name)) as db:
                for schema, thing, owner in db.execute(OWNERS.encode()).fetchall():
                    usual = "headrace_dagster" if name == "dagster" else "headrace"
                    assert owner == ("headrace_models" if schema in ("mlflow", "models") else usual), (schema, thing)
        assert value(settings, "select topic from landing.topics", "headrace_lander") == "orders"
        assert value(settings, "select version from mlflow.registered_model_aliases", "headrace_scorer") == 3
        assert value(settings, "select customer_id from customers", "headrace_capture", settings.shop_database) == "A"
        assert value(settings, "select count(*) from staging.customer_sentiment", "headrace_sink") == 0
    assert not (settings.secrets / "postgres").exists()


def value(settings: Settings, query: str, role: RoleName, database: str | None = None) -> object:
    with psycopg.connect(settings.conninfo(database, role)) as db:
        row = db.execute(query.encode()).fetchone()
    return row and row[0]


def test_a_server_of_the_users_own_is_set_up_by_the_documented_script(settings: Settings) -> None:
    prepare_server(settings)
    passfile = settings.root / "passfile"
    write_file(passfile, f"{HOST}:*:*:*:a password\n")
    with running(settings):
        database = "postgres"
        for part in re.split(r"\\connect ", script()):
            first, _, rest = part.partition("\n")
            if re.fullmatch(r"\w+", first):
                database, part = first, rest  # noqa: PLW2901  the rest is for that database
            with psycopg.connect(admin_conninfo(settings, database), autocommit=True) as db:
                for statement in part.replace("'…'", "'a password'").split(";"):
                    db.execute(statement.encode())
        own = settings.model_copy(
            update={
                "home": settings.home.with_name("other"),
                "postgres_conninfo": f"host={HOST} port={settings.port('postgres')} passfile='{passfile}'",
            }
        )
        prepare_databases(own)
        prepare_accounts(own.conninfo())
        prepare_deliveries(own)
        assert server_answers(own)
        assert value(own, "select count(*) from landing.positions", "headrace_lander") == 0
        assert value(own, "select count(*) from customers", "headrace_capture", own.shop_database) == 0
        assert value(own, "select count(*) from serving.customer_behavior", "headrace_sink") == 0
        for name in NAMES:
            assert (
                value(own, "select rolsuper from pg_roles where rolname = current_user", name, database_of(name))
                is False
            )

        write_as_a_sink_does(own)
        read_as_a_source_does(own)

        lacking = own.model_copy(update={"database": "missing"})
        with pytest.raises(Terminal, match=r"create the database missing.*docs/reference/postgres\.md"):
            prepare_databases(lacking)
        with pytest.raises(Terminal, match=r"permission denied.*docs/reference/postgres\.md"):
            prepare_accounts(own.conninfo(role="headrace_lander"))
        with shop.connect(own, "headrace_capture") as db, pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute("delete from customers")


def write_as_a_sink_does(settings: Settings) -> None:
    """Insert, upsert, and delete where tombstones are allowed; the values do not matter."""
    values = {"text": "'a'", "timestamp with time zone": "now()", "uuid": "gen_random_uuid()"}
    with psycopg.connect(settings.conninfo(role="headrace_sink")) as db:
        for delivery in DELIVERIES.values():
            columns = db.execute(
                "select column_name, data_type from information_schema.columns"
                " where table_schema = %s and table_name = %s"
                " and column_name not in ('_stored_at', '_earliest', '_latest')",
                (delivery.schema, delivery.table),
            ).fetchall()
            names = ", ".join(name for name, _ in columns)
            row = ", ".join(values.get(kind, "true" if kind == "boolean" else "1") for _, kind in columns)
            changed = ", ".join(f"{name} = excluded.{name}" for name, _ in columns)
            upsert = f"insert into {delivery.qualified} ({names}) values ({row})"
            upsert += f" on conflict ({delivery.key}) do update set {changed}"
            db.execute(upsert.encode())
            db.execute(upsert.encode())
        db.execute("delete from serving.customer_behavior")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            db.execute("delete from staging.customer_sentiment")


def read_as_a_source_does(settings: Settings) -> None:
    slot = "headrace_shop_test"
    replication = psycopg2.connect(
        settings.conninfo(settings.shop_database, "headrace_capture"),
        connection_factory=psycopg2.extras.LogicalReplicationConnection,
    )
    with closing(replication), replication.cursor() as stream:
        stream.create_replication_slot(slot, output_plugin="pgoutput")
        with shop.connect(settings, "headrace_capture") as db:
            db.execute(shop.HEARTBEAT.encode())
            db.execute(shop.HEARTBEAT.encode())
        with shop.connect(settings) as db:
            db.execute("insert into customers (customer_id) values ('B')")
        options = {"proto_version": "1", "publication_names": shop.PUBLICATION}
        stream.start_replication(slot, decode=False, options=options)
        read = b""
        deadline = time.monotonic() + 30
        while b"shop-customer-B" not in read:
            assert time.monotonic() < deadline
            message = stream.read_message()
            read += message.payload if message else b""
    with shop.connect(settings, "headrace_capture") as db:
        db.execute("select pg_drop_replication_slot(%s)", (slot,))


def database_of(role: RoleName) -> str:
    return {"headrace_dagster": "dagster", "headrace_capture": "shop"}.get(role, "headrace")
