"""A command in a folder without a stack says so and creates nothing; what sources need is checked before a start."""

import os
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headrace import cli, stack
from headrace.contracts.errors import Terminal
from headrace.contracts.setting_names import CONFIG_VARIABLE
from headrace.contracts.settings import Settings
from headrace.home import existing
from headrace.stack import doctor, lifecycle


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: empty, and below no project."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(CONFIG_VARIABLE)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        *(
            "login",
            "verify",
            "build",
            "build --watch",
            "sql select",
            "serve",
            "serve --url",
            "dlq list",
            "train behavior",
        ),
        *("landing run", "landing status", "landing repair", "landing accept-gap orders", "warehouse snapshots"),
        *("landing abort-transaction orders 0", "models list", "connect apply", "connect status", "simulate --days 1"),
        *("processor run order-extractor", "processor reset order-extractor", "source feedback", "source bluesky"),
        *("ingest access-log x.log", "warehouse maintain"),
    ],
)
def test_a_command_without_a_stack_says_so_and_creates_nothing(command: str, empty: Path) -> None:
    refused = CliRunner().invoke(cli.build_app(), command.split())
    assert isinstance(refused.exception, Terminal), refused.output
    assert f"There is no stack here: neither {empty} nor a folder above it" in refused.exception.message
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("command", ["status", "down", "config show", "doctor"])
def test_a_command_that_needs_no_stack_creates_nothing(command: str, empty: Path) -> None:
    shown = CliRunner().invoke(cli.build_app(), command.split())
    assert str(empty / ".headrace") in shown.output
    assert list(empty.iterdir()) == []


def test_a_home_that_is_named_and_missing_is_named_in_the_error(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_HOME", "elsewhere")
    with pytest.raises(Terminal, match=f"There is no stack in {empty}/elsewhere"):
        existing(Settings())
    monkeypatch.delenv("HEADRACE_HOME")
    (empty / "headrace.toml").touch()
    with pytest.raises(Terminal, match=f"There is no stack in {empty}/.headrace"):
        existing(Settings())


def test_servers_of_the_users_own_need_no_home(empty: Path) -> None:
    settings = Settings(kafka_bootstrap="kafka.example:9092")
    assert existing(settings) is settings


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"sources": ["access-log"]}, "HEADRACE_ACCESS_LOG_PATHS"),
        ({"sources": ["access-log"], "access_log_paths": ["x"], "pixel_key_file": "none"}, "HEADRACE_PIXEL_KEY_FILE"),
        ({"sources": ["weather"]}, "HEADRACE_WEATHER_PLACES"),
        ({"sources": ["mastodon"]}, "HEADRACE_MASTODON_URL"),
        ({"sources": ["bluesky"], "bluesky_url": "https://x"}, "HEADRACE_BLUESKY_URL"),
        ({"sources": ["feedback"], "feedback_token_file": "none"}, "HEADRACE_FEEDBACK_TOKEN_FILE"),
        ({"sources": ["feedback"], "feedback_proxies": ["proxy.example"]}, "addresses or networks"),
        ({"sources": ["feedback", "no_such_module:Source"]}, "module:class"),
        ({"sources": ["wether"]}, "There are: access-log"),
    ],
)
def test_a_setting_that_a_source_misses_is_found_before_anything_starts(
    given: dict[str, object], named: str, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "programs", lambda _: pytest.fail("programs are prepared"))
    settings = Settings.model_validate({**Settings().model_dump(), **given})
    with pytest.raises(Terminal) as raised:
        stack.up(settings, parts={"sources"})
    assert named in raised.value.remedy
    assert os.listdir(empty) == []  # noqa: PTH208
    failed = [
        check for check in doctor.examine(settings, wanted={"sources"}, running=True) if check.verdict == "failed"
    ]
    assert [named in check.remedy for check in failed] == [True]


def test_sources_with_valid_settings_pass_the_check(empty: Path) -> None:
    (empty / "token").write_text("long random text")
    settings = Settings(
        sources=("access-log", "weather", "mastodon", "bluesky", "feedback"),
        access_log_paths=(empty / "*.log",),
        weather_places=("oslo=1/2",),
        mastodon_url="https://m.example",
        feedback_token_file=empty / "token",
    )
    checks = list(doctor.examine(settings, wanted={"sources"}, running=True))
    assert [check.verdict for check in checks if check.name.startswith("source ")] == ["ok"] * 5
    assert [path.name for path in empty.iterdir()] == ["token"]


def test_every_command_that_needs_a_stack_checks_that_it_exists() -> None:
    folder = Path(cli.__file__).parent / "commands"
    unchecked = {
        path.stem: len(re.findall(r"(?<!existing\()(?<!\w)Settings\(", path.read_text()))
        for path in folder.glob("*.py")
    }
    # `setup`, `doctor`, `up`, `down` and `status`; `demo`; `config show`.
    assert {name: count for name, count in unchecked.items() if count} == {"stack": 5, "demo": 1, "config": 1}
