"""Which targets requests may go to: by name before it is looked up, and by every address it has."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import msgspec

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NEVER: Final[tuple[Network, ...]] = tuple(
    map(ip_network, ("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "::/128", "ff00::/8"))
)
"""No target at all: this host by another name, multicast, broadcast."""
METADATA: Final[tuple[Network, ...]] = tuple(
    map(
        ip_network,
        (
            "169.254.0.0/16",  # link-local; most clouds' metadata
            "fe80::/10",
            "fd00:ec2::/32",  # Amazon's metadata over IPv6
            "100.100.100.200/32",  # Alibaba's
            "192.0.0.192/32",  # Oracle's
            "168.63.129.16/32",  # Azure's wire server
            "fd20:ce::254/128",  # Google's over IPv6
        ),
    )
)
METADATA_HOSTS: Final = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
"""They hand out the credentials of the machine to whoever asks."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
_COMPATIBLE: Final = IPv6Network("::/96")


class TargetPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Hosts (a leading `*.` takes in all below) and networks; what is denied is denied whatever is allowed."""

    allowed_hosts: tuple[str, ...] = ()
    allowed_networks: tuple[Network, ...] = ()
    denied_hosts: tuple[str, ...] = ()
    denied_networks: tuple[Network, ...] = ()
    link_local: bool = False
    """Allow link-local addresses and those where clouds keep a machine's metadata."""

    def allows_host(self, host: str) -> bool:
        """Whether the name may be looked up at all."""
        host = _plain(host)
        if not self.link_local and host in METADATA_HOSTS:
            return False
        if self.allowed_hosts and not self.allowed_networks and not _named(self.allowed_hosts, host):
            return False
        return not _named(self.denied_hosts, host)

    def allows(self, host: str, address: str) -> bool:
        """Whether a connection may be made to an address that the name has."""
        found = embedded(ip_address(address.partition("%")[0]))
        denied = (*NEVER, *self.denied_networks, *(() if self.link_local else METADATA))
        if not self.allows_host(host) or any(_inside(denied, one) for one in found):
            return False
        if not self.allowed_hosts and not self.allowed_networks:
            return True
        return _named(self.allowed_hosts, _plain(host)) or all(
            _inside(self.allowed_networks, one) for one in found
        )


def policy_of(
    allow: Iterable[str], deny: Iterable[str], *, link_local: bool = False
) -> tuple[TargetPolicy, list[str]]:
    """Read lists of hosts and networks; with the policy, and every entry that is neither."""
    wrong: list[str] = []
    (hosts, networks), (denied_hosts, denied_networks) = (_sorted(one, wrong) for one in (allow, deny))
    policy = TargetPolicy(
        allowed_hosts=hosts,
        allowed_networks=networks,
        denied_hosts=denied_hosts,
        denied_networks=denied_networks,
        link_local=link_local,
    )
    return policy, wrong


def embedded(address: Address) -> tuple[Address, ...]:
    """The address and the IPv4 address it stands for: mapped, translated (NAT64) or tunnelled (6to4, Teredo)."""
    if isinstance(address, IPv4Address):
        return (address,)
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())[1:]]
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 0xFFFF):
        inner.append(IPv4Address(int(address) & 0xFFFFFFFF))
    known = [one for one in inner if one is not None]
    return (known[0],) if address.ipv4_mapped is not None else (address, *known)


def _sorted(entries: Iterable[str], wrong: list[str]) -> tuple[tuple[str, ...], tuple[Network, ...]]:
    hosts: list[str] = []
    networks: list[Network] = []
    for entry in map(str.strip, entries):
        try:
            networks.append(ip_network(entry.strip("[]"), strict=False))
            continue
        except ValueError:
            name = _plain(entry)
        labels = name.removeprefix("*.").split(".")
        letters = all(
            one and one.isascii() and one.replace("-", "").replace("_", "").isalnum() for one in labels
        )
        if letters and not labels[-1].isdecimal():
            hosts.append(name)
        else:
            wrong.append(entry)
    return tuple(hosts), tuple(networks)


def _plain(host: str) -> str:
    return host.strip().lower().rstrip(".")


def _named(names: Iterable[str], host: str) -> bool:
    return any(host.endswith(name[1:]) if name.startswith("*.") else host == name for name in names)


def _inside(networks: Iterable[Network], address: Address) -> bool:
    return any(address in network for network in networks if network.version == address.version)
