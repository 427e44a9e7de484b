"""The client of a request: the connection's address, or the address reported by trusted proxies. Pure."""

from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from headrace.contracts.errors import Terminal

MOST_HOPS = 20
_IPV6_SITE_BITS = 64


def trusted(proxies: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Addresses and networks.

    Raises:
        Terminal: one of them is neither.
    """
    try:
        return tuple(ip_network(proxy) for proxy in proxies)
    except ValueError as error:
        raise Terminal(
            f"{error}.", remedy="List addresses or networks of your proxies, such as `10.0.0.5,10.1.0.0/16`."
        ) from error


def client(peer: str, forwarded: Iterable[str], proxies: tuple[IPv4Network | IPv6Network, ...]) -> str:
    """The address of the client. In X-Forwarded-For, only entries added by trusted proxies count.

    The last address that does not belong to a proxy is the client's. An IPv6 address is reduced to its network, since
    one client has all of its addresses.
    """
    is_proxy = _in(proxies)
    found = peer
    if is_proxy(peer):
        hops = [hop for header in forwarded for hop in header.split(",")][-MOST_HOPS:]
        for hop in reversed(hops):
            address = _address(hop)
            if address is None:
                break
            found = address
            if not is_proxy(address):
                break
    return _grouped(found)


def _in(networks: tuple[IPv4Network | IPv6Network, ...]) -> Callable[[str], bool]:
    def contains(address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in networks)

    return contains


def _address(hop: str) -> str | None:
    """The address in a proxy's entry: plain, with a port, or in brackets."""
    text = hop.strip()[:60]
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None


def _grouped(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:60]
    if parsed.version == 6 and (mapped := parsed.ipv4_mapped) is not None:
        return str(mapped)
    return str(parsed) if parsed.version == 4 else str(ip_network((parsed, _IPV6_SITE_BITS), strict=False))
