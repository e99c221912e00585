"""Amazon's signing certificates, fetched through a port from the hosts that `handshakes.sns` allows."""

import logging

import trio

from hookledger.api.webhook.keysets import FETCH_SECONDS_MAX, Fetch

CERTIFICATES_MAX = 64

logger = logging.getLogger("hookledger.api.webhook")


class Certificates:
    """What was fetched, by URL."""

    def __init__(self, fetch: Fetch | None) -> None:
        self._fetch = fetch
        self.known: dict[str, bytes] = {}

    async def fetch(self, url: str) -> None:
        """Fetch a certificate; afterwards it is known, or could not be had."""
        document = await self.visit(url)
        if document:
            self.known[url] = document
            while len(self.known) > CERTIFICATES_MAX:
                del self.known[next(iter(self.known))]

    async def visit(self, url: str) -> bytes:
        """GET a URL; empty when that is switched off or fails."""
        if self._fetch is None:
            return b""
        try:
            with trio.fail_after(FETCH_SECONDS_MAX):
                return await self._fetch(url)
        except Exception as error:
            logger.warning("%s: %s", url.partition("?")[0], error)
            return b""
