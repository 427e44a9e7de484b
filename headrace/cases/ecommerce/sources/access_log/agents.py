"""Derives the kind of device from a User-Agent header, and whether the client identifies itself as a robot.

Robots are recognized by two maintained lists, `crawler-user-agents` and ua-parser's, and by words that robots use in
their names. Only whole words count, and models of phones and tablets are ignored: `CUBOT X19` is a phone.
Time is linear in the agent's length: ua-parser's patterns run on Rust's `regex`, and longer agents are cut.
"""

import re
from functools import cache, lru_cache
from itertools import groupby
from typing import Literal

import ua_parser
from crawleruseragents import CRAWLER_USER_AGENTS_DATA

Device = Literal["desktop", "mobile", "tablet", "bot", "other"]

CACHED_AGENTS = 50_000
MAX_AGENT_LENGTH = 1_000
"""Longer agents carry no more information, and each is matched against some thousand patterns."""

_WORDS = re.compile(
    r"\b(?!cubot)[a-z][a-z-]{0,40}bots?\b(?!-)|[/.]bots?\b|\brobots?\b|crawl(?:er|ers|ing)?\b|spiders?\b|\bslurp\b"
    r"|archiver\b|\bscrap(?:er|ing|y)\b|monitor(?:ing)?\b|\buptime|pingdom|\bheadless|phantomjs|facebookexternalhit"
    r"|feed(?:fetcher|burner|parser|validator)\b|\btiny tiny rss|magpierss|simplepie|\bvalidator\b|\bspinn3r\b"
    r"|^(?:curl|wget|python|go-http|java|ruby|perl|php|libwww|okhttp|apache-httpclient|axios|node|debian apt|zgrab"
    r"|masscan|nmap|scrapy|winhttp|httpie|guzzle|lwp|urlgrabber|chef)\b|^dalvik/[0-9.]+ \(linux\)$",
    re.IGNORECASE,
)
_ALONE = re.compile(r"\bbots?\b", re.IGNORECASE)
"""Also a name of phones, so it counts only without `Android`."""
_MODEL = re.compile(r"(\bAndroid[^;()]{0,40})(?:;(?! ?compatible)[^;()/]*+(?:(?<= Build)/[^;()]*+)?(?=[;)]))+")

_TABLET = re.compile(r"ipad|tablet|kindle|silk/|playbook|nexus (?:7|9|10)\b|sm-[tpx][0-9]", re.IGNORECASE)
_MOBILE = re.compile(r"mobi|iphone|ipod|windows phone|blackberry|opera mini|symbian|\bphone\b", re.IGNORECASE)
_DESKTOP_SYSTEMS = (
    *("Windows", "Mac OS", "Linux", "Chrome OS", "FreeBSD", "OpenBSD", "NetBSD", "Solaris"),
    *("Ubuntu", "Debian", "Fedora", "Red Hat", "CentOS", "SUSE", "Gentoo", "Arch Linux", "Mandriva", "Slackware"),
)
_MOBILE_SYSTEMS = ("iOS", "Android", "Windows Phone", "BlackBerry", "Symbian", "Firefox OS", "Windows Mobile")


@lru_cache(maxsize=CACHED_AGENTS)
def classify(agent: str | None) -> tuple[Device, bool]:
    """Device and bot flag of a User-Agent header; `("other", False)` without one."""
    if not agent:
        return "other", False
    agent = agent[:MAX_AGENT_LENGTH]
    return ("bot", True) if _is_bot(agent) else (_kind(agent), False)


def _is_bot(agent: str) -> bool:
    unnamed = _MODEL.sub(r"\1", agent)
    if _WORDS.search(unnamed) or ("Android" not in agent and _ALONE.search(agent)):
        return True
    if any(pattern.search(unnamed) for pattern in _list()):
        return True
    device = ua_parser.parse_device(unnamed)
    return device is not None and device.family == "Spider"


@cache
def _list() -> list[re.Pattern[str]]:
    """The list's patterns. Those that are words match whole words and are grouped by their first letter, for speed."""
    patterns = [str(each["pattern"]) for each in CRAWLER_USER_AGENTS_DATA]
    words = {each for each in patterns if re.match("[A-Za-z0-9](?![?*+{])", each) and "|" not in each}
    # What may follow the word: `FeedlyBot`, `PingdomTMS`, `findlinks`, but not the rest of a longer word.
    ends = sorted(rf"{each}(?!(?!s\b)[a-z])" if each[-1].isalpha() else each for each in words)
    first = {letter: "|".join(each[1:] for each in same) for letter, same in groupby(ends, key=lambda each: each[0])}
    whole = "|".join(f"{letter}(?:{rest})" for letter, rest in first.items())
    other = "|".join(each for each in patterns if each not in words)
    return [re.compile(rf"(?<![A-Za-z0-9])(?=[A-Za-z0-9])(?:{whole})"), re.compile(other)]


def _kind(agent: str) -> Device:
    found = ua_parser.parse_os(agent)
    system = found.family if found is not None else ""
    if _TABLET.search(agent) or (system == "Android" and not _MOBILE.search(agent)):
        return "tablet"
    # "Windows Phone" also starts with "Windows".
    if _MOBILE.search(agent) or system.startswith(_MOBILE_SYSTEMS):
        return "mobile"
    if system.startswith(_DESKTOP_SYSTEMS):
        return "desktop"
    return "other"
