"""E-mail and IP addresses within requests, referrers and agents, replaced by pseudonyms.

Version numbers look like IP addresses, so these are only sought in the values of a query.
"""

import ipaddress
import re
from collections.abc import Callable

from streaming.sources.pseudonyms import Pseudonymize

_MAYBE_ADDRESS = re.compile(r"=\[?(?:[0-9a-fA-F:]|%3[aA]|%5[bB]){1,8}[.:%]").search

_EMAIL = re.compile(
    r"[A-Za-z0-9._+-](?:[A-Za-z0-9._+-]|%2[bB]){0,63}(@|%40)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"
)
_IN_QUERY = re.compile(r"(?<==)(?:\[|%5[bB])?((?:[0-9a-fA-F.:]|%3[aA]){3,50})(?:\]|%5[dD])?(?=[&#;]|$)")
_COLON = re.compile("%3[aA]")
_PLUS = re.compile("%2[bB]")


def may_be_personal(line: str) -> bool:
    """Whether a line may hold any: a quick look, that may say yes too often."""
    # To look for a text takes a tenth of what a pattern does. Behind a backslash anything may be.
    return "@" in line or "%40" in line or "\\" in line or ("=" in line and _MAYBE_ADDRESS(line) is not None)


def scrubber(pseudonymize: Pseudonymize) -> Callable[[str], str]:
    """A function that gives a text back with each e-mail address and IP address replaced by its pseudonym."""

    def email(found: re.Match[str]) -> str:
        plain = _PLUS.sub("+", found[0].replace("%40", "@"))
        return pseudonymize("email", plain.lower())

    def address(found: re.Match[str]) -> str:
        try:
            plain = ipaddress.ip_address(_COLON.sub(":", found[1]))
        except ValueError:
            return found[0]
        return pseudonymize("client", str(plain))

    def scrub(text: str) -> str:
        if "@" in text or "%40" in text:
            text = _EMAIL.sub(email, text)
        return _IN_QUERY.sub(address, text) if "=" in text else text

    return scrub
