"""The key of the pseudonyms."""

from pathlib import Path

import pytest

from headrace.contracts.errors import Terminal
from headrace.contracts.settings import Settings
from headrace.streaming.sources.pseudonyms import FINGERPRINT_FILE, KEY_FILE, load_key


def test_a_lost_key_is_refused_with_the_remedy_and_not_made_again(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    key = load_key(settings)
    assert load_key(settings) == key
    file = settings.secrets / KEY_FILE
    kept = file.read_text()
    file.unlink()
    with pytest.raises(Terminal, match="is lost") as refusal:
        load_key(settings)
    assert FINGERPRINT_FILE in refusal.value.remedy
    assert not file.exists()
    file.write_text("00" * 32)
    with pytest.raises(Terminal, match="not the key"):
        load_key(settings)
    file.write_text(kept)
    assert load_key(settings) == key


def test_a_key_from_before_fingerprints_stays_in_use(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    key = load_key(settings)
    (settings.root / FINGERPRINT_FILE).unlink()
    assert load_key(settings) == key
    assert (settings.root / FINGERPRINT_FILE).stat().st_mode & 0o077 == 0
