"""Normalizes IP addresses, so that the same address always has the same pseudonym."""

import ipaddress

LONGEST = 64
"""Maximum characters of an address with its zone."""


def address_of(text: str) -> str | None:
    """The address in its usual notation, IPv4 mapped into IPv6 as IPv4; None if the text is not an address."""
    if not 2 <= len(text) <= LONGEST:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
