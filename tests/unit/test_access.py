"""What each user of Kafka may do is what its programs need."""

import pytest

from headrace.contracts.settings import Settings
from headrace.streaming.landing import lost_ends
from headrace.streaming.runtime import clients, lookup
from headrace.streaming.runtime.access import rules


def test_the_lander_may_use_the_groups_by_which_it_reads_again(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []

    def consumer(_settings: Settings, group: str, **_: object) -> None:
        used.append(group)
        raise InterruptedError

    monkeypatch.setattr(clients, "consumer", consumer)
    settings = Settings()
    with pytest.raises(InterruptedError):
        lost_ends.fingerprint_of(settings, ("orders", 0), 0, 9)
    with pytest.raises(InterruptedError), lookup.reader(settings):
        pass
    assert set(used) <= {rule.name for rule in rules(settings) if rule.user == "lander"}
    assert len(used) == 2
