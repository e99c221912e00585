"""`allowedIps`: who may call at all."""

from collections.abc import Sequence

from hookledger.api.webhook.exchange import Exchange
from hookledger.api.webhook.refusal import Refused
from hookledger.runtime.triggers.webhook.admission.ip import Network, is_allowed


class AllowedAddresses:
    """403 for an address outside the list, and for one that cannot be known."""

    name = "allowedIps"

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = tuple(networks)

    async def __call__(self, exchange: Exchange) -> None:
        if not is_allowed(exchange.address, self._networks):
            raise Refused(403, "address-refused", f"address {exchange.address or 'unknown'} is not allowed")
