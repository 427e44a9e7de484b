"""Robots and people by real user agents: those of the kept list, and of phones whose names look like robots."""

import pytest
from crawleruseragents import CRAWLER_USER_AGENTS_DATA

from headrace.cases.ecommerce.sources.access_log.agents import classify

_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/88.0.4324.93 Mobile Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (f"Mozilla/5.0 (Linux; Android 9; CUBOT X19) {_CHROME}", "mobile"),
        (f"Mozilla/5.0 (Linux; U; Android 4.4.2; en-us; CUBOT S208 Build/KOT49H) {_CHROME}", "mobile"),
        (f"Mozilla/5.0 (Linux; Android 8.1.0; CUBOT_X18_Plus) {_CHROME} [FB_IAB/FB4A;FBDV/CUBOT_X18_Plus;]", "mobile"),
        (f"Mozilla/5.0 (Linux; Android 6.0; M BOT 551 Build/MRA58K) {_CHROME}", "mobile"),
        (f"Mozilla/5.0 (Linux; Android 6.0; B BOT 550 Build/MRA58K; wv) {_CHROME}", "mobile"),
        (f"Mozilla/5.0 (Linux; Android 6.0; IDbot553 Build/MRA58K) {_CHROME}", "mobile"),
        (f"Mozilla/5.0 (Linux; Android 6.0; POWER BOT Build/MRA58K) {_CHROME}", "mobile"),
        (f"Mozilla/5.0 (Linux; Android 7.0; ID BOT 53+ Build/NRD90M) {_CHROME}", "mobile"),
        ("Instagram 100.0 Android (28/9; 320dpi; 720x1344; CUBOT; CUBOT_X19; CUBOT_X19; mt6763; en_US)", "tablet"),
        ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "desktop"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120 Safari/537.36 Edg/120", "desktop"),
    ],
)
def test_people_are_no_robots_for_any_name_of_their_phone(agent: str, device: str) -> None:
    assert classify(agent) == (device, False)


def test_nearly_all_agents_of_the_kept_list_are_robots() -> None:
    """Three are not: one in the middle of a word, one misspelled, one known by the build of a phone's Android."""
    agents = [agent for each in CRAWLER_USER_AGENTS_DATA for agent in each["instances"]]
    assert len(agents) > 2_000
    missed = [agent for agent in agents if classify(agent) != ("bot", True)]
    assert len(missed) <= 0.005 * len(agents), missed


@pytest.mark.parametrize(
    "agent",
    [
        "Debian APT-HTTP/1.3 (1.0.1ubuntu2)",
        "DreamHost SiteMonitor 1.0",
        "LumiBot 2.0",
        "My own bot",
        "Mozilla/5.0 (compatible; BeetleBot; )",
        "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) Chrome/41 (compatible; Unknownbot/2.1; +http://a.b/)",
        "Mozilla/5.0 (Linux; Android 6; compatible; Unknownbot) Chrome/41",
        "python",
        "wget/1",
    ],
)
def test_a_robot_that_no_list_knows_is_known_by_its_words(agent: str) -> None:
    assert classify(agent) == ("bot", True)
