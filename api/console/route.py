"""A line of the console's table, and how a page is answered."""

from collections.abc import Awaitable, Callable

import msgspec

from hookledger.api.call import BodyTooLarge, Call
from hookledger.api.http import HttpResponse
from hookledger.api.permissions import Permission


class PageRoute(msgspec.Struct, frozen=True):
    """One page, or what one of its forms does."""

    method: str
    path: str
    """Below `/ui/main`; parameters as `<name>`."""
    handler: Callable[[Call], Awaitable[HttpResponse]]
    needs: Permission = Permission.READ
    """What somebody must be granted to see or send it."""


async def answer_page(route: PageRoute, call: Call) -> HttpResponse:
    """Call a page's handler."""
    try:
        response = await route.handler(call)
    except BodyTooLarge as error:
        return error.answer()
    head = call.request.method == "HEAD"
    return msgspec.structs.replace(response, stream=None) if head else response
