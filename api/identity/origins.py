"""Where a request comes from: its address, whether it came by https, and whether our own pages sent it."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from hookledger.api.http import HttpRequest
from hookledger.runtime.triggers.webhook.admission.ip import (
    Network,
    client_address,
    contains,
    parse_address,
)

_FORWARDED_PROTO: Final = re.compile(r'(?:^|[;,])\s*proto\s*=\s*"?(\w+)', re.IGNORECASE)
_OURS: Final = frozenset({"same-origin", "none"})
"""`none`: the person typed the address or followed a bookmark."""


class Origins:
    """Knows the server's own address and its proxies."""

    def __init__(self, public_url: str = "", trusted: Sequence[Network] = ()) -> None:
        self._public = urlsplit(public_url)
        self._trusted = trusted

    def remote(self, request: HttpRequest) -> str:
        """The caller's address; behind a proxy that is not trusted, the proxy's."""
        if not self._trusted:
            return request.peer
        return str(client_address(request.peer, request.headers, self._trusted) or request.peer)

    def secure(self, request: HttpRequest) -> bool:
        """Whether the browser speaks https, to us or to a proxy of ours."""
        if request.scheme == "https" or self._public.scheme == "https":
            return True
        peer = parse_address(request.peer)
        if peer is None or not contains(self._trusted, peer):
            return False
        forwarded = _FORWARDED_PROTO.search(request.header("forwarded") or "")
        said = request.header("x-forwarded-proto") or (forwarded[1] if forwarded else "")
        return said.partition(",")[0].strip().lower() == "https"

    def foreign(self, request: HttpRequest) -> bool:
        """Whether a page of somebody else sent this.

        Browsers say so in `Sec-Fetch-Site`, which no page can write; older ones only send `Origin`. Programs send
        neither.
        """
        site = request.header("sec-fetch-site")
        if site is not None:
            return site.strip().lower() not in _OURS
        origin = request.header("origin")
        if origin is None:
            return False
        return _authority(origin) not in self._own(request)

    def _own(self, request: HttpRequest) -> frozenset[str]:
        named = (self._public.netloc.lower(), (request.header("host") or "").strip().lower())
        return frozenset(filter(None, named))


def _authority(origin: str) -> str:
    """Host and port of an `Origin`; empty for `null` and for what is no origin."""
    try:
        return urlsplit(origin.strip()).netloc.lower()
    except ValueError:
        return ""
