"""How often somebody may try a password: checking one is slow on purpose, and must not be a way to keep us busy."""

from typing import Final

from hookledger.runtime.triggers.webhook.admission.ip import parse_address
from hookledger.runtime.triggers.webhook.admission.ratelimit import Buckets, Rate

PER_NAME: Final = Rate(per_second=0.1, burst=10.0)
"""For one name from one address."""
PER_ADDRESS: Final = Rate(per_second=0.5, burst=50.0)
"""For all names from one address."""
_IPV6_BITS: Final = 64
"""Whoever has one IPv6 address has at least that many."""


class LoginLimits:
    """Buckets of attempts; what is known to be right does not come here."""

    def __init__(self) -> None:
        self._names = Buckets(PER_NAME)
        self._addresses = Buckets(PER_ADDRESS)

    def wait(self, remote: str, name: str, now: int) -> int:
        """Take one attempt; whole seconds to wait before the next one, 0 when this one may be made.

        Args:
            now: Microseconds.
        """
        network, seconds = network_of(remote), now / 1_000_000
        named, wait = self._names.take(f"{network} {name[:200]}", seconds)
        if not named:
            return wait
        return self._addresses.take(network, seconds)[1]


def network_of(remote: str) -> str:
    """The address, or for IPv6 its network, as text."""
    address = parse_address(remote)
    if address is None or address.version == 4:
        return str(address or remote)
    return f"{int(address) >> (128 - _IPV6_BITS):x}::/{_IPV6_BITS}"
