"""`headrace config show` reports each value and its origin, and shows no secret."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from headrace import cli
from headrace.contracts.setting_names import CONFIG_VARIABLE
from headrace.contracts.settings import Settings
from headrace.masking import MASK, shown

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "configure.md"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(CONFIG_VARIABLE)
    return tmp_path


def test_each_value_is_shown_with_its_origin(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop / "headrace.toml").write_text('sources = ["weather", "feedback"]\n')
    (shop / ".env").write_text("HEADRACE_LANDERS=3\n")
    monkeypatch.setenv("HEADRACE_SERVE_ROWS", "5")
    printed = json.loads(CliRunner().invoke(cli.build_app(), ["config", "show", "--json"]).stdout)
    rows = {row["setting"]: (row["value"], row["origin"]) for row in printed["settings"]}
    assert len(rows) == len(Settings.model_fields)
    assert printed["files"] == [str(shop / "headrace.toml"), str(shop / ".env")]
    assert rows["sources"] == (["weather", "feedback"], "headrace.toml")
    assert (rows["landers"], rows["serve.rows"]) == ((3, ".env"), (5, "environment"))
    assert rows["home"] == (str(shop / ".headrace"), "default")
    table = CliRunner().invoke(cli.build_app(), ["config", "show"]).stdout
    assert re.search(r"^sources +weather,feedback +headrace.toml +HEADRACE_SOURCES *$", table, re.MULTILINE)
    assert not (shop / ".headrace").exists()


def test_a_table_outside_of_a_project_says_so(shop: Path) -> None:
    assert "No project" in CliRunner().invoke(cli.build_app(), ["config", "show"]).stdout
    assert list(shop.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value", "masked"),
    [
        ("alert_webhook", "https://hooks.example/T0/secret", MASK),
        ("connect_password", "secret", MASK),
        ("connect_url", "http://me:secret@c:1/x", f"http://{MASK}@c:1/x"),
        ("postgres_conninfo", "host=db user=me password=secret", "user=me host=db"),
        ("postgres_conninfo", "host=db password='secret", MASK),
        ("feedback_frame_ancestors", ("https://me:secret@a",), [f"https://{MASK}@a"]),
    ],
)
def test_secrets_are_masked(name: str, value: object, masked: object) -> None:
    assert shown(name, value) == masked


@pytest.mark.parametrize(
    ("file", "dotenv", "named"),
    [
        ('[landing]\nflush_rows = "many"', "", "landing.flush_rows in headrace.toml"),
        ("", "HEADRACE_LANDING_FLUSH_ROWS=many", "HEADRACE_LANDING_FLUSH_ROWS in .env"),
        ("connect_url = 1", "", "Did you mean connect.url?"),
    ],
)
def test_an_invalid_setting_is_reported_with_its_file(
    file: str, dotenv: str, named: str, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "headrace.toml").write_text(file)
    (shop / ".env").write_text(dotenv)
    monkeypatch.setattr("sys.argv", ["headrace", "config", "show"])
    with pytest.raises(SystemExit, match=re.escape(named)):
        cli.main()


def test_the_how_to_shows_a_file_and_an_error_that_are_real(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = HOW_TO.read_text()
    (shop / "headrace.toml").write_text(
        page.split("\n\n    # headrace.toml\n")[1].split("\n\nKeys")[0].replace("    ", "")
    )
    settings = Settings()
    assert settings.sources == ("access-log", "weather")
    assert settings.access_log_paths[1] == shop / "logs" / "*.log"
    assert (len(settings.weather_places), settings.connect) == (2, False)
    monkeypatch.setenv("HEADRACE_CONECT", "false")
    monkeypatch.setattr("sys.argv", ["headrace", "status"])
    with pytest.raises(SystemExit) as refused:
        cli.main()
    assert f"    {refused.value.code}\n" in page
