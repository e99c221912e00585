"""Who is calling: the address behind trusted proxies, and whether it is on the list.

Forwarding headers are believed only as far as our own proxies wrote them: from
the right, through trusted hops, up to the first one that is not ours.
Sources: RFC 7239 (Forwarded) and the X-Forwarded-For convention.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from hookledger.runtime.triggers.webhook.admission.settings import Problem

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Headers = Sequence[tuple[str, str]]

HOPS_MAX = 32
FORWARDED_FOR = re.compile(r'(?:^|;)\s*for\s*=\s*(?:"([^"]*)"|([^;"\s]*))\s*(?=;|$)', re.IGNORECASE)
BRACKETED = re.compile(r"\[([^\]]*)\](?::[0-9]{1,5})?")
WITH_PORT = re.compile(r"([0-9.]+)(?::[0-9]{1,5})?")


def parse_networks(
    raw: Sequence[str], *, path: str = "allowedIps"
) -> tuple[tuple[Network, ...], list[Problem]]:
    """Return the networks of a CIDR list, and a problem for each entry that is none."""
    networks: list[Network] = []
    problems: list[Problem] = []
    for index, text in enumerate(raw):
        try:
            networks.append(ip_network(text.strip()))
        except ValueError:
            advice = f"{text!r} is not an address or network; write for example 192.0.2.0/24 or 2001:db8::/32"
            problems.append(Problem(f"{path}[{index}]", advice))
    return tuple(networks), problems


def parse_address(text: str) -> Address | None:
    """Return the address of `192.0.2.1`, `192.0.2.1:80`, `[2001:db8::1]:80`, bare IPv6; mapped as IPv4."""
    text = text.strip().strip('"')
    found = BRACKETED.fullmatch(text) or WITH_PORT.fullmatch(text)
    try:
        address = ip_address(found[1] if found else text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def contains(networks: Iterable[Network], address: Address) -> bool:
    """Say whether one of the networks has this address."""
    return any(address in network for network in networks if network.version == address.version)


def client_address(peer: str, headers: Headers, trusted: Sequence[Network]) -> Address | None:
    """Return the first address from the right that is not one of our proxies.

    None when it cannot be known: the peer or a hop is no address, or
    X-Forwarded-For and Forwarded disagree (a proxy writes one of them, so the
    other may be the caller's invention).
    """
    address = parse_address(peer)
    if address is None or not contains(trusted, address):
        return address
    chains = [chain for chain in (_x_forwarded_for(headers), _forwarded(headers)) if chain]
    found = {_walk(address, chain, trusted) for chain in chains}
    return found.pop() if len(found) == 1 else (None if found else address)


def _walk(peer: Address, chain: Sequence[str], trusted: Sequence[Network]) -> Address | None:
    current = peer
    for text in reversed(chain[-HOPS_MAX:]):
        hop = parse_address(text)
        if hop is None:
            return None
        current = hop
        if not contains(trusted, hop):
            break
    return current


def _lines(headers: Headers, name: str) -> list[str]:
    return [part.strip() for key, value in headers if key.lower() == name for part in value.split(",")]


def _x_forwarded_for(headers: Headers) -> list[str]:
    return [part for part in _lines(headers, "x-forwarded-for") if part]


def _forwarded(headers: Headers) -> list[str]:
    found = [FORWARDED_FOR.search(part) for part in _lines(headers, "forwarded") if part]
    return [(one[1] or one[2] or "unknown") if one else "unknown" for one in found]


def is_allowed(address: Address | None, allowed: Sequence[Network]) -> bool:
    """Say whether the caller may come in; an unknown caller only when there is no list."""
    return not allowed or (address is not None and contains(allowed, address))
