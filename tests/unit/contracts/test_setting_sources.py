"""Settings come from the environment, `.env` and `headrace.toml` of the project, and a mistyped one is refused."""

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from headrace.contracts.errors import Terminal
from headrace.contracts.setting_names import CONFIG_VARIABLE, key, variable
from headrace.contracts.setting_sources import find_project, origins
from headrace.contracts.settings import Settings


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project, with the current folder below it."""
    folder = tmp_path / "my shop"
    below = folder / "warehouse" / "marts"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    monkeypatch.delenv(CONFIG_VARIABLE)
    return folder


def test_the_environment_wins_over_dotenv_and_dotenv_over_the_file(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "headrace.toml").write_text("port_base = 20000\nlanders = 2\n[landing]\nflush_rows = 10\n")
    (shop / ".env").write_text("HEADRACE_LANDERS=3\nHEADRACE_LANDING_FLUSH_ROWS=20\nSTRIPE_KEY=x\n")
    monkeypatch.setenv("HEADRACE_LANDING_FLUSH_ROWS", "30")
    settings, found = Settings(), origins(Settings)
    assert (settings.port_base, settings.landers, settings.landing_flush_rows) == (20_000, 3, 30)
    named = ("port_base", "landers", "landing_flush_rows", "processors")
    assert [found[name] for name in named] == ["headrace.toml", ".env", "environment", "default"]
    assert Settings(landing_flush_rows=40).landing_flush_rows == 40


def test_every_setting_can_be_written_in_the_file(shop: Path) -> None:
    keys = [key(name) for name in Settings.model_fields]
    assert len(set(keys)) == len(keys)
    (shop / "headrace.toml").write_text('home = "x"\n[connect]\nenabled = false\nurl = "http://c:1"\n[access_log]\n')
    assert (Settings().connect, Settings().connect_url, Settings().home) == (False, "http://c:1", shop / "x")


def test_paths_in_a_file_start_at_its_folder_and_in_a_variable_at_the_current_one(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "headrace.toml").write_text(
        'home = "state"\njava = "jdk/bin/java"\n[access_log]\npaths = ["logs/a,b.log", "/var/*.log", "~/x"]\n'
        '[kafka]\nconfig = "kafka.properties"\n[postgres]\nconninfo = "host=db/x"\n'
    )
    (shop / ".env").write_text("HEADRACE_PIXEL_KEY_FILE=secrets/pixel\n")
    monkeypatch.setenv("HEADRACE_FEEDBACK_TOKEN_FILE", "token")
    settings = Settings()
    assert (settings.root, settings.java) == (shop / "state", str(shop / "jdk/bin/java"))
    assert settings.access_log_paths == (shop / "logs/a,b.log", Path("/var/*.log"), Path("~/x").expanduser())
    assert (settings.kafka_config, settings.pixel_key_file) == (shop / "kafka.properties", shop / "secrets/pixel")
    assert settings.feedback_token_file == Path.cwd() / "token"
    assert settings.postgres_conninfo == "host=db/x"
    monkeypatch.setenv("HEADRACE_JAVA", "java21")
    assert Settings().java == "java21"


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("access-log, weather,", ("access-log", "weather")),
        ('["a,b", "c"]', ("a,b", "c")),
        ("[]", ()),
        ("", ("feedback",)),
        ('["a"', None),
    ],
)
def test_a_list_is_a_toml_list_or_separated_by_commas_in_the_environment(
    given: str, read: tuple[str, ...] | None, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "headrace.toml").write_text('sources = ["feedback"]\n')
    assert Settings().sources == ("feedback",)
    monkeypatch.setenv("HEADRACE_SOURCES", given)
    if read is None:
        with pytest.raises(ValidationError, match="JSON list"):
            Settings()
    else:
        assert Settings().sources == read


@pytest.mark.parametrize(
    ("file", "dotenv", "environment", "named"),
    [
        ("", "", "HEADRACE_CONECT", "HEADRACE_CONNECT"),
        ("", "HEADRACE_CONECT=1", None, "HEADRACE_CONNECT"),
        ("[landing]\nflush_row = 1", "", None, "landing.flush_rows"),
        ("landing_flush_rows = 1", "", None, "landing.flush_rows"),
        ("[acces_log]\npaths = []", "", None, "access_log"),
        ("connect = false", "", None, "[connect]"),
        ("port_base = ", "", None, "not valid TOML"),
    ],
)
def test_a_mistyped_setting_is_refused_with_the_nearest_name(
    file: str, dotenv: str, environment: str | None, named: str, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "headrace.toml").write_text(file)
    (shop / ".env").write_text(dotenv)
    if environment:
        monkeypatch.setenv(environment, "false")
    with pytest.raises(Terminal) as raised:
        Settings()
    assert named in raised.value.message
    assert raised.value.remedy.startswith("Correct")


def test_variables_that_are_no_settings_but_known_are_accepted(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FAILPOINTS", "SUPERVISED_ROOT", "SERVICE_HOST", "SERVICE_PORT_HTTP", "PORT_80_TCP_ADDR"):
        monkeypatch.setenv(f"HEADRACE_{name}", "x")
    monkeypatch.setenv("HEADRACE_PORT", "tcp://10.0.0.1:80")
    monkeypatch.setenv("HEADRACER", "x")
    assert Settings().landers == 1
    monkeypatch.setenv("HEADRACE_PORT", "80")
    with pytest.raises(Terminal, match="HEADRACE_PORT_BASE"):
        Settings()


def test_the_project_is_the_nearest_folder_upward_with_a_file_or_a_stack(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_project() is None
    assert Settings().root == Path.cwd() / ".headrace"
    home = shop / ".headrace"
    home.mkdir()
    assert find_project() is None
    (home / "stack.lock").touch()
    assert Settings().root == home
    (shop / "warehouse" / "headrace.toml").touch()
    assert Settings().root == shop / "warehouse" / ".headrace"
    monkeypatch.setenv(CONFIG_VARIABLE, str(shop / "other.toml"))
    with pytest.raises(Terminal, match="There is no file"):
        Settings()
    (shop / "other.toml").write_text("landers = 4")
    assert (Settings().root, Settings().landers) == (home, 4)
    monkeypatch.setenv(CONFIG_VARIABLE, "")
    assert Settings().root == Path.cwd() / ".headrace"


def test_a_deleted_current_folder_is_no_error_where_the_home_is_named(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = shop / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setenv("HEADRACE_HOME", str(shop / "state"))
    assert Settings().root == shop / "state"
    os.chdir(shop)


@pytest.mark.parametrize("name", ["headrace.toml", ".env"])
def test_a_file_of_another_account_or_writable_by_all_is_refused(
    name: str, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "headrace.toml").touch()
    (shop / name).write_text("")
    (shop / name).chmod(0o666)
    with pytest.raises(Terminal, match="every account") as raised:
        Settings()
    assert "chmod o-w" in raised.value.remedy
    (shop / name).chmod(0o600)
    assert Settings().landers == 1
    owner = (shop / name).stat().st_uid

    def another() -> int:
        return owner + 1

    if owner:
        monkeypatch.setattr(os, "geteuid", another)
    else:
        os.chown(shop / name, 12_345, -1)
    with pytest.raises(Terminal, match="another account") as raised:
        Settings()
    assert CONFIG_VARIABLE in raised.value.remedy
    monkeypatch.setenv(CONFIG_VARIABLE, str(shop / "headrace.toml"))
    assert Settings().landers == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a file of another account")
def test_a_link_in_a_folder_of_another_account_is_refused(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "headrace.toml").write_text('java = "jdk/bin/java"')
    trap = shop.parent / "trap"
    trap.mkdir()
    (trap / "headrace.toml").symlink_to(shop / "headrace.toml")
    monkeypatch.chdir(trap)
    assert Settings().java == str(trap / "jdk/bin/java")
    os.chown(trap, 12_345, -1)
    with pytest.raises(Terminal, match="another account"):
        Settings()
    os.chown(trap, os.geteuid(), -1)
    os.lchown(trap / "headrace.toml", 12_345, -1)
    with pytest.raises(Terminal, match="another account"):
        Settings()


def test_another_process_in_another_folder_gets_the_same_settings(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "headrace.toml").write_text(
        'sources = ["weather"]\n[weather]\nplaces = ["a b=1/2"]\nproviders = []\n[connect]\nenabled = false\n'
    )
    settings = Settings()
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    other = tmp_path / "other"
    other.mkdir()
    (other / "headrace.toml").write_text("landers = 9")
    monkeypatch.chdir(other)
    assert Settings() == settings


def test_names_of_variables_and_keys_belong_together() -> None:
    names: dict[str, Any] = {name: (key(name), variable(name)) for name in ("connect", "landers", "serve_rows")}
    assert names == {
        "connect": ("connect.enabled", "HEADRACE_CONNECT"),
        "landers": ("landers", "HEADRACE_LANDERS"),
        "serve_rows": ("serve.rows", "HEADRACE_SERVE_ROWS"),
    }
