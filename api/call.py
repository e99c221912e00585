"""One request as its handler sees it: plain values and who asks, whatever framework stands in front of it."""

from collections.abc import Mapping
from typing import Final

import msgspec

from hookledger.api.http import HttpRequest, HttpResponse, problem
from hookledger.api.identity.identity import Identity

BODY_BYTES_MAX: Final = 1024 * 1024


class BodyTooLarge(Exception):
    """The body is larger than any route of the API has use for."""

    def answer(self) -> HttpResponse:
        """What its sender gets."""
        return problem(413, f"a body may have {BODY_BYTES_MAX} bytes here; send less")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request of somebody who may make it."""

    request: HttpRequest
    """As it came; its body can be read once."""
    path: Mapping[str, str]
    """What stands where the route's path has parameters."""
    query: Mapping[str, list[str]]
    identity: Identity
    """Who sent it."""
    csrf: str = ""
    """What the forms of a page must carry as `csrf`; empty outside of a session."""

    @property
    def user(self) -> str:
        """The name of the user or the token; not for the journal, which gets `by`."""
        return self.identity.name

    @property
    def by(self) -> str:
        """Who it was, as the journal names them."""
        return self.identity.by

    @property
    def content_type(self) -> str:
        """The body's media type in lower case, without parameters; empty when the sender named none."""
        return (self.request.header("content-type") or "").partition(";")[0].strip().lower()

    async def body(self) -> bytes:
        """The whole body.

        Raises:
            BodyTooLarge: It has more than `BODY_BYTES_MAX` bytes.
        """
        return await read_body(self.request)


async def read_body(request: HttpRequest) -> bytes:
    """The whole body of a request.

    Raises:
        BodyTooLarge: It has more than `BODY_BYTES_MAX` bytes.
    """
    read = bytearray()
    async for chunk in request.body:
        read += chunk
        if len(read) > BODY_BYTES_MAX:
            raise BodyTooLarge
    return bytes(read)
