"""Key sets and certificates from the network, through the engine's HTTP port.

Only https, no redirects, no credentials, bounded: the addresses stand in flows or were checked against the sender's
own hosts, and what they answer is only ever parsed as keys.
"""

from typing import Final

from hookledger.actors.ports import Ports
from hookledger.api.webhook.keysets import FETCH_SECONDS_MAX, Fetch
from hookledger.runtime.tasks.http.port import HttpPort, HttpRequest

DOCUMENT_BYTES_MAX: Final = 512 * 1024


class CannotFetch(Exception):
    """There is no such document to be had."""


def fetch_through(ports: Ports) -> Fetch:
    """The host's own service `fetch`, else GET through the service `http`."""
    own: Fetch | None = ports.services.get("fetch")
    if own is not None:
        return own

    async def fetch(url: str) -> bytes:
        port: HttpPort | None = ports.services.get("http")
        if port is None or not url.startswith("https://"):
            raise CannotFetch("only https, and only where the engine may use the network")
        return await _get(port, url)

    return fetch


async def _get(port: HttpPort, url: str) -> bytes:
    headers = (("Accept", "application/json, */*"),)
    answer = await port.send(
        HttpRequest(method="GET", uri=url, headers=headers, read_seconds_max=FETCH_SECONDS_MAX)
    )
    try:
        if answer.status != 200:
            raise CannotFetch(f"status {answer.status}")
        document = bytearray()
        while piece := await answer.receive():
            document += piece
            if len(document) > DOCUMENT_BYTES_MAX:
                raise CannotFetch(f"more than {DOCUMENT_BYTES_MAX} bytes")
        return bytes(document)
    finally:
        await answer.aclose()
