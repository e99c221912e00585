"""REST: API tokens, and who did what."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from hookledger.actors.engine import Engine
from hookledger.api.call import Call
from hookledger.api.http import HttpResponse, json_response, problem
from hookledger.api.identity.guard import Guard
from hookledger.api.identity.stream import system_events
from hookledger.api.identity.tokens import NameTaken, Token, TokenBook, TokenState
from hookledger.api.permissions import GRANTS, Permission, Role
from hookledger.api.queries import Nothing, Paged
from hookledger.api.route import Route
from hookledger.journal.events import (
    AccessRecorded,
    AnyEvent,
    FlowRegistered,
    FlowRemoved,
    TokenIssued,
    TokenRevoked,
)
from hookledger.runtime.durations import DurationInvalid, parse_duration
from hookledger.runtime.flow.problems import suggestion
from hookledger.runtime.variables import iso_time

LIFE_US_MAX: Final = 10 * 366 * 86_400 * 1_000_000
AUDITED: Final = (AccessRecorded, FlowRegistered, FlowRemoved, TokenIssued, TokenRevoked)
_LEFT_OUT: Final = frozenset({"type", "sequence", "at", "source", "sha256"})


class TokenWish(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a new token shall be."""

    name: Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[\w .:@/+-]+$")]
    role: str
    expires_in: str = ""
    """A duration such as `P90D`; without one it lives until it is revoked."""


def table(guard: Guard) -> list[Route]:
    """The table."""

    async def listed(call: Call, query: Nothing) -> HttpResponse:
        return list_tokens(guard.tokens)

    async def issue(call: Call, query: Nothing) -> HttpResponse:
        return await issue_token(guard.tokens, call)

    async def revoke(call: Call, query: Nothing) -> HttpResponse:
        return await revoke_token(guard.tokens, call.path["token_id"], call.by)

    async def audit(call: Call, query: Paged) -> HttpResponse:
        return await list_audit(guard.engine, query)

    return [
        Route("GET", "/tokens", listed, Permission.ADMINISTER, query=Nothing),
        Route("POST", "/tokens", issue, Permission.ADMINISTER, query=Nothing),
        Route("DELETE", "/tokens/<token_id>", revoke, Permission.ADMINISTER, query=Nothing),
        Route("GET", "/audit", audit, Permission.AUDIT, query=Paged),
    ]


def list_tokens(book: TokenBook) -> HttpResponse:
    """Every token, newest first, without secrets."""
    now = book.now
    tokens = [token_view(token, now) for token in book.listed()]
    return json_response({"results": tokens, "total": len(tokens)})


async def issue_token(book: TokenBook, call: Call) -> HttpResponse:
    """Make a token; its secret is in this answer and nowhere else."""
    try:
        wish = wish_of(await call.body())
        role = role_for(wish.role, call)
        life = life_of(wish.expires_in)
    except WishInvalid as error:
        return problem(422, str(error), slug="token-invalid")
    expires = book.now + life if life else 0
    try:
        token, secret = await book.issue(wish.name, role, call.by, expires=expires)
    except NameTaken:
        detail = f"there is a token `{wish.name}` already; revoke it first or take another name"
        return problem(409, detail, slug="token-exists")
    return json_response(token_view(token, book.now) | {"token": secret}, 201)


async def revoke_token(book: TokenBook, token_id: str, by: str) -> HttpResponse:
    """Make a token good for nothing; again changes nothing."""
    token = book.get(token_id)
    if token is None:
        return problem(404, "there is no such token; GET tokens lists them", slug="token-unknown")
    if token.revoked is None:
        await book.revoke(token_id, by)
    return HttpResponse(status=204)


async def list_audit(engine: Engine, page: Paged) -> HttpResponse:
    """Who did what, newest first."""
    events, total = await system_events(engine.journal, AUDITED, limit=page.size, offset=page.offset)
    return json_response({"results": [audit_view(event) for event in events], "total": total})


class WishInvalid(Exception):
    """A token cannot be made like this."""


def wish_of(body: bytes) -> TokenWish:
    """What was sent, as far as its shape goes.

    Raises:
        WishInvalid: It is no JSON, or has other fields or types.
    """
    try:
        return msgspec.json.decode(body, type=TokenWish)
    except msgspec.DecodeError as error:
        example = '{"name": "ci", "role": "operator", "expiresIn": "P90D"}'
        raise WishInvalid(f"{error}; send a JSON object such as {example}") from error


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


def token_view(token: Token, now: int) -> dict[str, Any]:
    """A token as the API shows it."""
    issued, revoked = token.issued, token.revoked
    view: dict[str, Any] = {
        "id": issued.id,
        "name": issued.name,
        "role": issued.role,
        "state": token.state(now).value,
        "created": iso_time(issued.at),
        "createdBy": issued.by,
    }
    if issued.expires:
        view["expires"] = iso_time(issued.expires)
    if token.state(now) is TokenState.REVOKED and revoked is not None:
        view |= {"revoked": iso_time(revoked.at), "revokedBy": revoked.by}
    return view


def audit_view(event: AnyEvent) -> dict[str, Any]:
    """One thing somebody did: when, who, what, and the event's own fields; a flow's source is left out."""
    plain: dict[str, Any] = msgspec.to_builtins(event)
    own = {name: value for name, value in plain.items() if name not in _LEFT_OUT}
    if isinstance(event, TokenIssued) and event.expires:
        own["expires"] = iso_time(event.expires)
    common = {"sequence": event.sequence, "at": iso_time(event.at), "type": plain["type"]}
    return common | {"by": plain.get("by", "")} | own
