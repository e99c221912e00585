"""Key sets of token issuers (JWKS), fetched through a port and kept for an hour.

Without a port nothing is fetched and such tokens are refused: the check fails closed.
"""

import logging
from collections.abc import Awaitable, Callable

import trio

from hookledger.runtime.triggers.webhook.admission.jwks import JwksEntry, after_failure, is_jwks, read_jwks

SETS_MAX = 256
FETCH_SECONDS_MAX = 5.0

Fetch = Callable[[str], Awaitable[bytes]]
"""Gets the bytes behind an https URL without following redirects; raises when it cannot."""

logger = logging.getLogger("hookledger.api.webhook")


class KeySets:
    """What was fetched, by URL."""

    def __init__(self, fetch: Fetch | None) -> None:
        self._fetch = fetch
        self._fetching: dict[str, trio.Event] = {}
        self.known: dict[str, JwksEntry] = {}

    async def fetch(self, url: str, now: float) -> None:
        """Fetch a set; callers that want the same one at the same time share the fetch."""
        if url in self._fetching:
            await self._fetching[url].wait()
            return
        done = self._fetching[url] = trio.Event()
        try:
            self.known[url] = await self._fetched(url, now)
            while len(self.known) > SETS_MAX:
                del self.known[next(iter(self.known))]
        finally:
            del self._fetching[url]
            done.set()

    async def _fetched(self, url: str, now: float) -> JwksEntry:
        known = self.known.get(url)
        if self._fetch is None:
            return after_failure(known, now)
        try:
            with trio.fail_after(FETCH_SECONDS_MAX):
                document = await self._fetch(url)
        except Exception as error:
            logger.warning("key set %s: %s", url, error)
            return after_failure(known, now)
        return read_jwks(document, now=now) if is_jwks(document) else after_failure(known, now)
