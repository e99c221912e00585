"""A line of a table of routes, and how a call is answered."""

from collections.abc import Awaitable, Callable

import msgspec

from hookledger.api.call import BodyTooLarge, Call
from hookledger.api.http import HttpResponse
from hookledger.api.permissions import Permission

Handler = Callable[[Call], Awaitable[HttpResponse]]


class Route(msgspec.Struct, frozen=True):
    """One line of the table."""

    method: str
    path: str
    """Below the prefix; parameters as `<name>`."""
    handler: Handler
    needs: Permission = Permission.READ
    """What its caller must be granted."""


async def answer(route: Route, call: Call) -> HttpResponse:
    """Call a route's handler."""
    try:
        response = await route.handler(call)
        head = call.request.method == "HEAD"
        return msgspec.structs.replace(response, stream=None) if head else response
    except BodyTooLarge as error:
        return error.answer()
