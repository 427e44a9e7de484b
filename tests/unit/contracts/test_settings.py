"""Settings are read from the environment, and invalid ones are rejected before any program starts."""

import pytest
from pydantic import ValidationError

from headrace.contracts.settings import Settings


def test_a_log_level_is_one_that_there_is_however_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_LOG_LEVEL", "WARNING")
    assert Settings().log_level == "warning"
    monkeypatch.setenv("HEADRACE_LOG_LEVEL", "loud")
    with pytest.raises(ValidationError, match="log_level"):
        Settings()
