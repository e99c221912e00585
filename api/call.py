"""One request to the API as its handlers see it: plain values, whatever framework stands in front of them."""

from collections.abc import Mapping
from typing import Final

import msgspec

from hookledger.api.http import HttpRequest, HttpResponse, problem

BODY_BYTES_MAX: Final = 1024 * 1024


class BodyTooLarge(Exception):
    """The body is larger than any route of the API has use for."""

    def answer(self) -> HttpResponse:
        """What its sender gets."""
        return problem(413, f"a body may have {BODY_BYTES_MAX} bytes here; send less")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One authenticated request to the API."""

    request: HttpRequest
    """As it came; its body can be read once."""
    path: Mapping[str, str]
    """What stands where the route's path has parameters."""
    query: Mapping[str, list[str]]
    user: str
    """Who sent it."""

    @property
    def by(self) -> str:
        """The user as the journal names people."""
        return f"user:{self.user}"

    @property
    def content_type(self) -> str:
        """The body's media type in lower case, without parameters; empty when the sender named none."""
        return (self.request.header("content-type") or "").partition(";")[0].strip().lower()

    async def body(self) -> bytes:
        """The whole body.

        Raises:
            BodyTooLarge: It has more than `BODY_BYTES_MAX` bytes.
        """
        read = bytearray()
        async for chunk in self.request.body:
            read += chunk
            if len(read) > BODY_BYTES_MAX:
                raise BodyTooLarge
        return bytes(read)
