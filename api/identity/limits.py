"""How often somebody may try a password or a token.

Checking a password is slow on purpose, and must not be a way to keep us busy. Who has proven himself from an address
is not limited there; from any other address the same secret is one more attempt.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from hookledger.runtime.triggers.webhook.admission.ip import parse_address
from hookledger.runtime.triggers.webhook.admission.ratelimit import Buckets, Rate

PER_NAME: Final = Rate(per_second=0.1, burst=10.0)
"""For one name from one address."""
PER_ADDRESS: Final = Rate(per_second=0.5, burst=50.0)
"""For all names from one address."""
PER_SENDER: Final = Rate(per_second=10.0, burst=100.0)
"""Failed checks at one webhook from one address."""
PROVEN_MAX: Final = 10_000
"""Senders who are known to have been right."""
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


class SenderLimits:
    """Failed checks of deliveries, by webhook and address; and who was right before, with which secret."""

    def __init__(self) -> None:
        self._failed = Buckets(PER_SENDER)
        self._proven: OrderedDict[tuple[str, str, Hashable], None] = OrderedDict()

    def failed(self, webhook: str, remote: str, now: float) -> tuple[bool, int]:
        """Count a failed check; whether its sender may learn so, and seconds to wait where not."""
        return self._failed.take(_sender(webhook, remote), now)

    def right(self, webhook: str, remote: str, secret: Hashable, now: float) -> int:
        """A fixed secret was right: seconds to wait when that was one guess too many, else 0.

        Args:
            webhook: Flow and trigger.
            remote: The sender's address.
            secret: Which of the webhook's secrets, never the secret itself.
            now: Seconds.
        """
        sender = (webhook, network_of(remote), secret)
        if sender not in self._proven:
            left, wait = self._failed.left(_sender(webhook, remote), now)
            if not left:
                return max(1, wait)
        self._proven[sender] = None
        self._proven.move_to_end(sender)
        if len(self._proven) > PROVEN_MAX:
            self._proven.popitem(last=False)
        return 0


def _sender(webhook: str, remote: str) -> str:
    return f"{webhook}@{network_of(remote)}"


def network_of(remote: str) -> str:
    """The address, or for IPv6 its network, as text."""
    address = parse_address(remote)
    if address is None or address.version == 4:
        return str(address or remote)
    return f"{int(address) >> (128 - _IPV6_BITS):x}::/{_IPV6_BITS}"
