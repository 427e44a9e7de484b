"""What a User-Agent header says of the client: kind of device, and whether it calls itself a robot."""

import re
from functools import lru_cache
from typing import Literal

import ua_parser

Device = Literal["desktop", "mobile", "tablet", "bot", "other"]

CACHED_AGENTS = 50_000
MAX_AGENT_LENGTH = 1_000
"""ua-parser matches hundreds of patterns: what is longer says nothing more and costs without bound."""

_BOT = re.compile(
    r"bot\b|bot[/;_ -]|crawl|spider|slurp|archiver|scrap|monitor|uptime|pingdom|headless|phantomjs|facebookexternalhit"
    r"|feed(fetcher|burner|parser|validator)|tiny tiny rss|universalfeedparser|magpierss|simplepie|preview|validator"
    r"|^(curl|wget|python|go-http|java|ruby|perl|php|libwww|okhttp|apache-httpclient|axios|node|debian apt|zgrab"
    r"|masscan|nmap|scrapy|winhttp|httpie|guzzle|lwp|urlgrabber|chef|dalvik/[0-9.]+ \(linux\)$)",
    re.IGNORECASE,
)
_TABLET = re.compile(r"ipad|tablet|kindle|silk/|playbook|nexus (?:7|9|10)\b|sm-[tpx][0-9]", re.IGNORECASE)
_MOBILE = re.compile(r"mobi|iphone|ipod|windows phone|blackberry|opera mini|symbian|\bphone\b", re.IGNORECASE)
_DESKTOP_SYSTEMS = (
    *("Windows", "Mac OS", "Linux", "Chrome OS", "FreeBSD", "OpenBSD", "NetBSD", "Solaris"),
    *("Ubuntu", "Debian", "Fedora", "Red Hat", "CentOS", "SUSE", "Gentoo", "Arch Linux", "Mandriva", "Slackware"),
)
_MOBILE_SYSTEMS = ("iOS", "Android", "Windows Phone", "BlackBerry", "Symbian", "Firefox OS", "Windows Mobile")


@lru_cache(maxsize=CACHED_AGENTS)
def classify(agent: str | None) -> tuple[Device, bool]:
    """Device and bot flag of a User-Agent header; `("other", False)` where there is none."""
    if not agent:
        return "other", False
    agent = agent[:MAX_AGENT_LENGTH]
    if _BOT.search(agent):
        return "bot", True
    device = ua_parser.parse_device(agent)
    if device is not None and device.family == "Spider":
        return "bot", True
    return _kind(agent), False


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
