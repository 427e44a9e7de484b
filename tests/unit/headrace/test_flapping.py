"""Programs that end again and again are detected from the logs of the supervisor and their own."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from headrace.contracts.settings import Settings
from headrace.stack.flapping import flapping, last_words

NOW = datetime(2026, 11, 27, 12, 0, 0)  # noqa: DTZ001  the supervisor writes local times


def supervised(tmp_path: Path, *lines: tuple[int, str]) -> Settings:
    settings = Settings(home=tmp_path / "home")
    settings.logs.mkdir(parents=True)
    text = "".join(f"{NOW - timedelta(seconds=ago):%Y-%m-%d %H:%M:%S},123 {line}\n" for ago, line in lines)
    (settings.logs / "supervisord.log").write_text(text)
    return settings


def test_a_program_that_ends_every_second_is_flapping_and_how_often(tmp_path: Path) -> None:
    ends = [(ago, "WARN exited: lander-0 (exit status 1; not expected)") for ago in range(40, 0, -1)]
    assert flapping(supervised(tmp_path, *ends), NOW) == {"lander-0": 40}


@pytest.mark.parametrize(
    "lines",
    [
        [(ago, "WARN exited: kafka (terminated by SIGKILL; not expected)") for ago in (50, 2)],
        [(ago, "WARN exited: kafka (exit status 1; not expected)") for ago in (2_000, 1_900, 1_800, 1_700)],
        [(ago, "WARN exited: kafka (exit status 1; not expected)") for ago in (280, 270, 260, 250)],
        [(ago, "INFO stopped: kafka (exit status 0)") for ago in (9, 8, 7, 6)],
    ],
    ids=["twice", "long ago", "well since", "stopped on purpose"],
)
def test_a_program_that_ended_now_and_then_is_not(tmp_path: Path, lines: list[tuple[int, str]]) -> None:
    assert flapping(supervised(tmp_path, *lines), NOW) == {}


def test_the_reason_is_the_last_line_that_is_no_startup_message(tmp_path: Path) -> None:
    settings = supervised(tmp_path)
    assert last_words(settings, "lander-0") == "it wrote nothing."
    (settings.logs / "lander-0.log").write_text(
        'The landed file x is missing.\n{"event": "started", "level": "info"}\n\n'
    )
    assert last_words(settings, "lander-0") == "The landed file x is missing."
