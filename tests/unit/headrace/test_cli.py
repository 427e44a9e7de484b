"""The command line starts quickly, documents itself, and reports each error in one sentence."""

import io
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from headrace import cli
from headrace.commands.demo import _sample_table  # pyright: ignore[reportPrivateUsage]
from headrace.commands.stack import _print_addresses  # pyright: ignore[reportPrivateUsage]
from headrace.contracts.errors import Terminal
from headrace.contracts.exit_codes import MEANINGS, NEGATIVE_RESULTS, ExitCode
from headrace.contracts.settings import Settings
from headrace.demo import Sample
from headrace.terminal import print_table


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['headrace', '--help']\n"
        "from headrace.cli import build_app\n"
        "build_app()(standalone_mode=False)\n"
        "heavy = {'polars', 'pyarrow', 'duckdb', 'dagster', 'confluent_kafka', 'psycopg', 'pandas', 'numpy'}\n"
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert "Commands:" in run.stdout


def test_the_version_is_that_of_the_distribution() -> None:
    shown = CliRunner().invoke(cli.build_app(), ["--version"])
    assert (shown.exit_code, shown.stdout.strip()) == (0, version("headrace"))


@pytest.mark.parametrize("width", [78, 120])  # 78: as a terminal of 80 columns or more has it
@pytest.mark.parametrize("group", ["", *(each.name or "" for each in cli.build_app().registered_groups)])
def test_every_command_is_summed_up_in_a_line_of_its_groups_help(group: str, width: int) -> None:
    shown = CliRunner().invoke(cli.build_app(), [*group.split(), "--help"], terminal_width=width)
    _, commands = shown.stdout.split("Commands:")
    cut = [line.split()[0] for line in commands.splitlines() if line.endswith(("...", "…"))]
    assert cut == [], "the first sentence of the docstring is longer than a line"


@pytest.mark.parametrize(
    "command",
    [
        ["processor", "run", "order-extractor", "--instance", "0"],
        ["processor", "reset", "order-extractor"],
        ["build", "--watch"],
        ["warehouse", "unhold"],
        ["ingest", "access-log", "access.log"],
        ["dlq", "replay", "orders"],
    ],
)
def test_commands_have_the_terms_of_the_field(command: list[str]) -> None:
    assert CliRunner().invoke(cli.build_app(), [*command, "--help"]).exit_code == 0


@pytest.mark.parametrize(
    "command",
    [["process", "order-extractor"], ["replay", "access-log", "x"], ["warehouse", "release"], ["build", "--follow"]],
)
def test_the_former_commands_are_gone(command: list[str]) -> None:
    refused = CliRunner().invoke(cli.build_app(), command)
    assert (refused.exit_code, "No such" in refused.stderr) == (2, True)


def test_a_table_that_is_not_read_on_a_terminal_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "remark"), [("a" * 100, "b" * 100)])
    assert capsys.readouterr().out.splitlines()[1] == "a" * 100 + "  " + "b" * 100


@pytest.mark.parametrize(("sources", "printed"), [(("access-log",), False), (("weather", "feedback"), True)])
def test_the_address_of_the_form_is_printed_where_there_is_one(
    sources: tuple[str, ...], printed: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(home=tmp_path, sources=sources, port_base=30_000)
    _print_addresses(settings, "The stack is up.")
    assert ("  feedback    http://127.0.0.1:30096/" in capsys.readouterr().out) is printed


def test_a_password_in_the_address_of_a_users_own_postgresql_is_not_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(home=tmp_path, postgres_conninfo="host=db.example user=me password='hunter 2'")
    _print_addresses(settings, "The stack is up.")
    shown = capsys.readouterr().out
    assert re.search(r"^  PostgreSQL  .*\bhost=db\.example\b.*$", shown, re.MULTILINE)
    assert "hunter" not in shown


def test_the_status_of_the_feedback_service_says_that_it_has_no_position(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_KAFKA_BOOTSTRAP", "127.0.0.1:1")  # no stack is needed
    shown = CliRunner().invoke(cli.build_app(), ["source", "feedback", "--status"])
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "has no position" in shown.stderr


def test_ctrl_c_ends_what_a_script_started_in_the_background_and_is_not_heard_twice() -> None:
    code = (
        "import os, signal, time\n"
        "from headrace.terminal import terminable, uninterrupted\n"
        "with terminable():\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        time.sleep(60)\n"
        "    except KeyboardInterrupt:\n"
        "        with uninterrupted():\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
        "            time.sleep(0.1)\n"
        "        print('cleared up')\n"
    )
    command = ["sh", "-c", "trap '' INT TERM; exec \"$@\"", "sh", sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert (run.returncode, run.stdout) == (0, "cleared up\n"), run.stderr


@pytest.mark.parametrize("width", [40, 80, 160])
def test_the_demos_samples_show_what_fits_and_cut_no_value(width: int) -> None:
    sample = Sample("marts.wide", 1, tuple(f"column_{n}" for n in range(14)), [tuple(str(n) * 10 for n in range(14))])
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(_sample_table(sample, width))
    head, *_ = [line for line in console.export_text().splitlines() if "column_0" in line]
    shown = [cell.strip() for cell in head.strip("┃").split("┃")]
    assert shown[-1] == "…" or len(shown) == 14
    assert all(name == f"column_{place}" for place, name in enumerate(shown[:-1]))
    assert len(shown) >= width // 20


def app_that_raises(error: BaseException) -> typer.Typer:
    app = typer.Typer(rich_markup_mode=None, add_completion=False)

    @app.command()
    def fail() -> None:  # pyright: ignore[reportUnusedFunction]  the decorator registers it
        raise error

    return app


def test_an_error_raised_on_purpose_is_one_sentence_and_exit_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["headrace"])
    monkeypatch.setattr(cli, "build_app", lambda: app_that_raises(Terminal("It broke.", remedy="Mend it.")))
    with pytest.raises(SystemExit) as raised:
        cli.main()
    assert raised.value.code == "It broke. Mend it."  # which the interpreter prints, and exits with 1


def test_an_unexpected_error_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["headrace"])
    monkeypatch.setattr(cli, "build_app", lambda: app_that_raises(ValueError("what?")))
    with pytest.raises(ValueError, match="what"):
        cli.main()


def test_ctrl_c_is_exit_130(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["headrace"])
    monkeypatch.setattr(cli, "build_app", lambda: app_that_raises(KeyboardInterrupt()))
    with pytest.raises(SystemExit) as raised:
        cli.main()
    assert raised.value.code == ExitCode.INTERRUPTED


def test_an_error_of_any_kind_is_a_sentence_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> typer.Typer:
        raise OSError("a file\nwith lines is missing\x1b[2J")

    monkeypatch.setattr(cli, "build_app", broken)
    monkeypatch.delenv("HEADRACE_LOG_LEVEL", raising=False)
    with pytest.raises(SystemExit, match=r"This did not work: builtins.OSError: a file\n.*headrace status"):
        cli.main()


def test_the_shell_completes_commands_and_options() -> None:
    def completed(words: str) -> list[str]:
        environment = {**os.environ, "_HEADRACE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": "2"}
        run = subprocess.run(
            [Path(sys.executable).with_name("headrace")], env=environment, capture_output=True, text=True, check=False
        )
        return run.stdout.split()

    assert completed("headrace landing re") == ["repair"]
    assert completed("headrace up --d") == ["--detach"]


def test_every_exit_code_has_a_name_and_its_commands_exist() -> None:
    assert set(MEANINGS) == set(ExitCode)
    for command in NEGATIVE_RESULTS:
        assert CliRunner().invoke(cli.build_app(), [*command.split(), "--help"]).exit_code == 0
    folder = Path(cli.__file__).parent
    code = re.compile(r"(?:typer\.Exit|sys\.exit)\(([^)]*)")
    exits = {found for path in folder.rglob("*.py") for found in code.findall(path.read_text())}
    numbered = {each for each in exits if re.search(r"\d|\bint\(", each)}
    assert numbered == set()
