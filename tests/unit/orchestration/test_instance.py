"""How Dagster is set up within a stack."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from sqlalchemy import make_url

from headrace.contracts.settings import HOST, Settings
from headrace.orchestration.instance import config as instance


def test_storage_is_the_stacks_postgresql_and_the_password_stays_in_its_file(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "a home", port_base=20_000)
    url = make_url(instance.storage_url(settings))
    assert url.drivername == "postgresql+psycopg2"
    assert (url.username, url.password, url.database) == ("headrace_dagster", None, "dagster")
    assert url.query == {"host": HOST, "port": "20002", "passfile": str(settings.secrets / "pgpass")}


@pytest.mark.parametrize(
    ("conninfo", "user", "password", "query"),
    [
        ("host=a,b port=1,2 user=me sslmode=require", "me", None, {"host": "a,b", "port": "1,2", "sslmode": "require"}),
        ("host=/var/run/pg user='m e' password='p@:/ss %'", "m e", "p@:/ss %", {"host": "/var/run/pg"}),
        ("host=db", "headrace_dagster", None, {"host": "db"}),
    ],
)
def test_a_connection_string_of_the_users_own_means_the_same_to_dagster(
    tmp_path: Path, conninfo: str, user: str | None, password: str | None, query: dict[str, str]
) -> None:
    url = make_url(instance.storage_url(Settings(home=tmp_path, postgres_conninfo=conninfo)))
    assert (url.username, url.password, url.database, dict(url.query)) == (user, password, "dagster", query)


def test_the_home_is_written_for_its_owner_only_and_writing_it_again_changes_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, port_base=20_000)
    folder = instance.write_instance_config(settings)
    before = {path.name: path.read_text() for path in folder.iterdir()}
    instance.write_instance_config(settings)
    assert before == {path.name: path.read_text() for path in folder.iterdir()}
    assert set(before) == {"dagster.yaml", "workspace.yaml"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert yaml.safe_load(before["dagster.yaml"])["telemetry"] == {"enabled": False}


def test_every_process_listens_locally_and_has_no_secret_in_its_arguments(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, port_base=20_000, postgres_conninfo="host=db password=s3cret")
    code, web = instance.code_server_command(settings), instance.webserver_command(settings)
    assert web[web.index("--host") + 1] == HOST
    assert not {"--host", "--port"} & set(code), "it has no login, so no port"
    assert "s3cret" not in " ".join([*code, *web, *instance.daemon_command(settings)])


@pytest.mark.parametrize("name", ["home", "h" * 120])
def test_the_code_server_listens_where_only_the_stacks_account_can_enter(tmp_path: Path, name: str) -> None:
    settings = Settings(home=tmp_path / name)
    socket = instance.code_socket(settings)
    assert len(os.fsencode(socket)) <= 103
    assert socket == instance.code_socket(settings)
    instance.write_instance_config(settings)
    try:
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
        workspace = yaml.safe_load(instance.workspace_file(settings).read_text())
        assert workspace["load_from"][0]["grpc_server"]["socket"] == str(socket)
    finally:
        if not socket.is_relative_to(tmp_path):
            socket.parent.rmdir()


def test_runs_are_forked_from_a_process_without_threads_pools_or_connections() -> None:
    looked = (
        "import os, threading\n"
        "import psutil\n"
        "import multiprocessing, multiprocessing.forkserver\n"
        "from headrace.orchestration.instance.code_server import PRELOADED\n"
        "for name in PRELOADED: __import__(name)\n"
        "me = psutil.Process()\n"
        "names = {open(f'/proc/self/task/{task.id}/comm').read().strip() for task in me.threads()}\n"
        "print(threading.active_count(), len(me.net_connections('all')), *sorted(names))\n"
    )
    printed = subprocess.run([sys.executable, "-c", looked], capture_output=True, text=True, check=True).stdout.split()
    assert printed[:2] == ["1", "0"]
    # Polars' workers would be missed in a fork: they come, as `polars-0` and so on, with the first query.
    assert not [name for name in printed[2:] if re.fullmatch(r"polars-\d+|rayon.*", name)]
