"""API tokens: the list, issuing one (its secret is shown once), revoking one."""

import re
from typing import Final

import msgspec

from hookledger.api.call import Call
from hookledger.api.console.forms import Form, form_of
from hookledger.api.console.pages import HOME, Pages, done
from hookledger.api.http import HttpResponse
from hookledger.api.identity.guard import Guard
from hookledger.api.identity.routes import WishInvalid, life_of, role_for
from hookledger.api.identity.tokens import NameTaken, Token, TokenState
from hookledger.api.permissions import GRANTS, Role

TOKENS: Final = f"{HOME}/tokens"
LIVES: Final = (("P30D", "30 days"), ("P90D", "90 days"), ("P365D", "a year"), ("", "until it is revoked"))
_NAME: Final = re.compile(r"[\w .:@/+-]{1,100}")


class TokenRow(msgspec.Struct, frozen=True, kw_only=True):
    """One token of the list. Times are microseconds, 0 where there is none."""

    id: str
    name: str
    role: str
    state: str
    created: int
    by: str
    expires: int
    active: bool


def token_row(token: Token, now: int) -> TokenRow:
    """A token for the list."""
    issued, state = token.issued, token.state(now)
    return TokenRow(
        id=issued.id,
        name=issued.name,
        role=issued.role,
        state=state.value,
        created=issued.at,
        by=issued.by,
        expires=issued.expires,
        active=state is TokenState.ACTIVE,
    )


async def tokens(guard: Guard, pages: Pages, call: Call) -> HttpResponse:
    """`/tokens`."""
    return _page(guard, pages, call)


async def issue(guard: Guard, pages: Pages, call: Call) -> HttpResponse:
    """Make a token and show its secret, in this answer and never again."""
    book, form = guard.tokens, await form_of(call)
    name = form.get("name").strip()
    if not _NAME.fullmatch(name):
        problem = "a name has 1 to 100 letters, digits, spaces or any of . : @ / + - _"
        return _page(guard, pages, call, status=422, problem=problem, form=form)
    try:
        role, life = role_for(form.get("role"), call), life_of(form.get("life"))
        expires = book.now + life if life else 0
        token, secret = await book.issue(name, role, call.by, expires=expires)
    except WishInvalid as error:
        return _page(guard, pages, call, status=422, problem=str(error), form=form)
    except NameTaken:
        problem = f"there is a token `{name}` already; revoke it first or take another name"
        return _page(guard, pages, call, status=409, problem=problem, form=form)
    return _page(guard, pages, call, issued=token_row(token, book.now), secret=secret)


async def revoke(guard: Guard, pages: Pages, call: Call) -> HttpResponse:
    """Make a token good for nothing; again changes nothing."""
    book = guard.tokens
    token = book.get(call.path["token"])
    if token is None:
        return _page(guard, pages, call, status=404, problem="there is no such token")
    if token.revoked is None:
        await book.revoke(token.issued.id, call.by)
    return done(TOKENS, "revoked")


def _page(
    guard: Guard,
    pages: Pages,
    call: Call,
    *,
    status: int = 200,
    problem: str = "",
    form: Form | None = None,
    issued: TokenRow | None = None,
    secret: str = "",
) -> HttpResponse:
    book, given = guard.tokens, form or Form({})
    return pages.page(
        call,
        "tokens.html",
        place="tokens",
        status=status,
        problem=problem,
        rows=[token_row(token, book.now) for token in book.listed()],
        roles=[role.value for role in Role if GRANTS[role] <= GRANTS[call.identity.role]],
        lives=LIVES,
        given=given,
        issued=issued,
        secret=secret,
        here=TOKENS,
    )
