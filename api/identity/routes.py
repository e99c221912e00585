"""REST: API tokens."""

from functools import partial
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from hookledger.api.call import Call
from hookledger.api.forms import read_json
from hookledger.api.http import HttpResponse, json_response, problem
from hookledger.api.identity.guard import Guard
from hookledger.api.identity.tokens import NameTaken, Token, TokenState
from hookledger.api.permissions import GRANTS, Permission, Role
from hookledger.api.queries import Nothing
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import Found, Shape
from hookledger.runtime.durations import DurationInvalid, parse_duration
from hookledger.runtime.flow.problems import suggestion
from hookledger.runtime.variables import iso_time

LIFE_US_MAX: Final = 10 * 366 * 86_400 * 1_000_000


class TokenWish(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a new token shall be."""

    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[\w .:@/+-]+$")]
    role: str
    expires_in: str = ""
    """A duration such as `P90D`; without one it lives until it is revoked."""


class TokenView(Shape, frozen=True, kw_only=True):
    """A token as lists show it; never its secret."""

    id: str
    name: str
    role: str
    state: TokenState
    created: str
    created_by: str
    expires: str | UnsetType = UNSET
    revoked: str | UnsetType = UNSET
    revoked_by: str | UnsetType = UNSET
    token: str | UnsetType = UNSET
    """The secret; only in the answer to the request that made it."""


async def list_tokens(guard: Guard, call: Call, query: Nothing) -> HttpResponse:
    """Every token, newest first, without secrets."""
    now = guard.tokens.now
    tokens = [token_view(token, now) for token in guard.tokens.listed()]
    return json_response(Found(results=tokens, total=len(tokens)))


async def issue_token(guard: Guard, call: Call, query: Nothing) -> HttpResponse:
    """Make a token; its secret is in this answer and nowhere else."""
    book = guard.tokens
    try:
        wish = await read_json(call, TokenWish)
        role = role_for(wish.role, call)
        life = life_of(wish.expires_in)
    except WishInvalid as error:
        return problem(422, str(error), slug="invalid-request-body")
    expires = book.now + life if life else 0
    try:
        token, secret = await book.issue(wish.name, role, call.by, expires=expires)
    except NameTaken:
        detail = f"there is a token `{wish.name}` already; revoke it first or take another name"
        return problem(409, detail, slug="token-exists")
    return json_response(msgspec.structs.replace(token_view(token, book.now), token=secret), 201)


async def revoke_token(guard: Guard, call: Call, query: Nothing) -> HttpResponse:
    """Make a token good for nothing; again changes nothing."""
    token = guard.tokens.get(call.path["token_id"])
    if token is None:
        return problem(404, "there is no such token; GET tokens lists them", slug="token-unknown")
    if token.revoked is None:
        await guard.tokens.revoke(token.issued.id, call.by)
    return HttpResponse(status=204)


class WishInvalid(Exception):
    """A token cannot be made like this."""


def role_for(name: str, call: Call) -> Role:
    """A role, which may not be above the caller's own.

    Raises:
        WishInvalid: There is no such role, or it is.
    """
    if name not in set(Role):
        raise WishInvalid(
            f"there is no role `{name[:80]}`; {suggestion(name, [role.value for role in Role])}"
        )
    role = Role(name)
    if not GRANTS[role] <= GRANTS[call.identity.role]:
        raise WishInvalid(f"`{role}` may do more than you; issue a token with a role like your own or below")
    return role


def life_of(text: str) -> int:
    """Microseconds a token shall live, 0 for ever.

    Raises:
        WishInvalid: It is no duration, or out of bounds.
    """
    if not text:
        return 0
    try:
        life = parse_duration(text)
    except DurationInvalid as error:
        raise WishInvalid(f"expiresIn: {error}") from error
    if not 0 < life <= LIFE_US_MAX:
        raise WishInvalid("expiresIn: must be longer than nothing and at most ten years")
    return life


def token_view(token: Token, now: int) -> TokenView:
    """A token as the API shows it."""
    issued, revoked = token.issued, token.revoked
    state = token.state(now)
    gone = revoked if state is TokenState.REVOKED else None
    return TokenView(
        id=issued.id,
        name=issued.name,
        role=issued.role,
        state=state,
        created=iso_time(issued.at),
        created_by=issued.by,
        expires=iso_time(issued.expires) if issued.expires else UNSET,
        revoked=iso_time(gone.at) if gone else UNSET,
        revoked_by=gone.by if gone else UNSET,
    )


def table(guard: Guard) -> list[Route]:
    """Tokens."""
    return [
        Route(
            "GET",
            "/tokens",
            partial(list_tokens, guard),
            Permission.ADMINISTER,
            "List API tokens",
            query=Nothing,
            answers=Reply(Found[TokenView]),
        ),
        Route(
            "POST",
            "/tokens",
            partial(issue_token, guard),
            Permission.ADMINISTER,
            "Issue an API token",
            query=Nothing,
            body={"application/json": TokenWish},
            answers=Reply(TokenView, status=201),
            errors=(409, 415, 422),
        ),
        Route(
            "DELETE",
            "/tokens/<token_id>",
            partial(revoke_token, guard),
            Permission.ADMINISTER,
            "Revoke an API token",
            query=Nothing,
            answers=None,
            errors=(404,),
        ),
    ]
