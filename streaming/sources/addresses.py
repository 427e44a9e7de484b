"""IP addresses in one form each, so that the same address has one pseudonym wherever it stands."""

import ipaddress

LONGEST = 64
"""Characters of an address with its zone."""


def address_of(text: str) -> str | None:
    """The address as it is usually written, IPv4 mapped into IPv6 as IPv4; None for a text that is none."""
    if not 2 <= len(text) <= LONGEST:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
