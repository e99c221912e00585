"""The one place where it is decided who sent a request and whether they may have what they ask for.

`Authorization` says who it is, or a session's cookie. A browser sends the cookie (and a remembered password) also
for pages of others, so what changes something must come from a page of ours, and with the cookie it must carry the
session's token.
"""

import hmac
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from hookledger.actors.engine import Engine
from hookledger.api.call import BODY_BYTES_MAX, BodyTooLarge, read_body
from hookledger.api.http import HttpRequest
from hookledger.api.identity.access import Access
from hookledger.api.identity.cookies import SESSION, cookie
from hookledger.api.identity.identity import ANYBODY, How, Identity
from hookledger.api.identity.limits import LoginLimits, network_of
from hookledger.api.identity.origins import Origins
from hookledger.api.identity.passwords import text_bytes
from hookledger.api.identity.recording import STRANGER, Recording
from hookledger.api.identity.sessions import Session, Sessions
from hookledger.api.identity.tokens import TokenBook, TokenState, open_tokens
from hookledger.api.identity.users import TooBusy, User, Users, parse_basic
from hookledger.api.permissions import GRANTS, Permission
from hookledger.api.webhook.redaction import REDACTED
from hookledger.api.webhook.refusal import Refused

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
FORM_TYPE: Final = "application/x-www-form-urlencoded"
CSRF_FIELD: Final = "csrf"
CSRF_HEADER: Final = "x-csrf-token"
_WEBHOOK_KEY: Final = re.compile(r"(?<=/executions/webhook/).*", re.DOTALL)


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """A request that may have what it asks for."""

    request: HttpRequest
    """With a body that can still be read."""
    identity: Identity
    csrf: str = ""
    """For the forms of a page; empty outside of a session."""
    access: Access = msgspec.field(default_factory=Access)
    """How long what it opens may stay open."""


class Guard:
    """Knows users, tokens and sessions."""

    def __init__(
        self, engine: Engine, users: Users, tokens: TokenBook, origins: Origins, *, realm: str = "Hookledger"
    ) -> None:
        ports = engine.ports
        self.engine = engine
        self.users = users
        self.tokens = tokens
        self.origins = origins
        self.sessions = Sessions(ports.clock, ports.entropy)
        self.recording = Recording(engine)
        self.realm = realm
        self._limits = LoginLimits()

    async def admit(self, request: HttpRequest, needs: Permission | None) -> Admitted:
        """Let a request through; what needs nothing is for anybody.

        Raises:
            Refused: Nobody is known (401), this is too much guessing (429), a page of somebody else sent it, or the
                role does not grant what it needs (403).
        """
        if needs is None:
            return Admitted(request=request, identity=ANYBODY)
        if request.header("authorization") is not None:
            identity = await self.identify(request)
            if identity.how is How.BASIC:
                self.same_site(request, identity.by)
            return self.allowed(self.admitted(request, identity), needs)
        session = self.session(request)
        if session is None:
            raise self.challenge(request)
        request = await self.from_our_form(request, session)
        return self.allowed(of_session(request, session), needs)

    def admitted(self, request: HttpRequest, identity: Identity) -> Admitted:
        """A request with credentials of its own: a token may be revoked, a password holds until a restart."""
        access = self.tokens.access(identity.token) if identity.token else Access()
        return Admitted(request=request, identity=identity, access=access)

    async def knows(self, request: HttpRequest) -> bool:
        """Whether somebody we know asks."""
        if request.header("authorization") is None:
            return self.session(request) is not None
        try:
            await self.identify(request)
        except Refused:
            return False
        return True

    async def identify(self, request: HttpRequest) -> Identity:
        """Who the `Authorization` header names.

        Raises:
            Refused: Nobody we know, or too much guessing.
        """
        authorization = request.header("authorization") or ""
        scheme, _, secret = authorization.strip().partition(" ")
        if scheme.lower() == "bearer":
            return self._bearer(request, secret.strip())
        return await self._basic(request, authorization)

    async def password(self, request: HttpRequest, name: str, password: str) -> User | None:
        """The user with this name and password; a wrong one is written down.

        Raises:
            Refused: Too much guessing.
        """
        remote = self.origins.remote(request)
        wait = self._limits.wait(remote, name, self.engine.ports.clock.now())
        try:
            user = await self.users.matches(name, password) if not wait else None
        except TooBusy:
            wait = 1
            user = None
        if user is None:
            by = f"user:{name}" if name in self.users else STRANGER
            outcome = "too many attempts" if wait else "wrong name or password"
            self.recording.refused(by, "login", "", outcome, remote=remote)
        if wait:
            detail = f"too many attempts to log in; try again in {wait} s"
            raise Refused(429, "login-limited", detail=detail, headers={"Retry-After": str(wait)})
        return user

    def session(self, request: HttpRequest) -> Session | None:
        """The session whose cookie the request carries."""
        secret = cookie(request, SESSION, secure=self.origins.secure(request))
        return self.sessions.find(secret) if secret else None

    def same_site(self, request: HttpRequest, by: str = STRANGER, *, safe: frozenset[str] = SAFE) -> None:
        """What changes something does not come from a page of somebody else.

        Args:
            safe: Methods that change nothing.

        Raises:
            Refused: It does.
        """
        if request.method not in safe and self.origins.foreign(request):
            detail = (
                "a page of another site sent this; if it was yours, set server.publicUrl to the address "
                "in the browser"
            )
            raise self._refusal(request, by, "cross-origin", detail)

    async def from_our_form(self, request: HttpRequest, session: Session) -> HttpRequest:
        """What changes something within a session carries the session's token; returns the request to go on with.

        Raises:
            Refused: It does not, or comes from somewhere else.
        """
        if request.method in SAFE:
            return request
        by = session.identity.by
        self.same_site(request, by)
        given = request.header(CSRF_HEADER)
        if given is None:
            request, fields = await form_of(request)
            given = fields.get(CSRF_FIELD)
        if given is None or not hmac.compare_digest(text_bytes(given), text_bytes(session.csrf)):
            kind = "csrf-missing" if given is None else "csrf-wrong"
            detail = (
                "within a session this needs the page's own token, as X-CSRF-Token or as the form's `csrf`; "
                "load the page again"
            )
            raise self._refusal(request, by, kind, detail)
        return request

    def challenge(self, request: HttpRequest, *, scheme: str = "Basic", error: str = "") -> Refused:
        """The refusal of somebody nobody knows."""
        asked = f'{scheme} realm="{self.realm}"' + (', charset="UTF-8"' if scheme == "Basic" else "")
        asked += f', error="{error}"' if error else ""
        if request.header("sec-fetch-mode") not in (None, "navigate") and scheme == "Basic":
            # A page's script asks: the browser shall not open a dialog of its own.
            asked = f'Bearer realm="{self.realm}"'
        detail = "this needs a user name and a password (HTTP Basic), an API token (Bearer) or a session"
        return Refused(401, "unauthorized", detail=detail, headers={"WWW-Authenticate": asked})

    def _bearer(self, request: HttpRequest, secret: str) -> Identity:
        token = self.tokens.find(secret)
        state = token.state(self.tokens.now) if token is not None else None
        if token is not None and state is TokenState.ACTIVE:
            return token.identity
        by = token.identity.by if token is not None else STRANGER
        outcome = f"token {state.lower()}" if state is not None else "no such token"
        self.recording.refused(by, "login", "", outcome, remote=self.origins.remote(request))
        raise self.challenge(request, scheme="Bearer", error="invalid_token")

    async def _basic(self, request: HttpRequest, authorization: str) -> Identity:
        network = network_of(self.origins.remote(request))
        user = self.users.remembered(authorization, network)
        given = parse_basic(authorization) if user is None else None
        if given is not None:
            async with self.users.alone(authorization, network) as remembered:
                user = remembered or await self.password(request, *given)
                if user is not None:
                    self.users.remember(authorization, network, user)
        if user is None:
            raise self.challenge(request)
        return Identity(name=user.name, role=user.role)

    def allowed(self, admitted: Admitted, needs: Permission) -> Admitted:
        """The one place where a role is held against what a route needs.

        Raises:
            Refused: It does not grant it (403).
        """
        if admitted.identity.may(needs):
            return admitted
        raise self._refusal(
            admitted.request, admitted.identity.by, "forbidden", *_missing(admitted.identity, needs)
        )

    def _refusal(
        self, request: HttpRequest, by: str, slug: str, detail: str, more: Mapping[str, Any] | None = None
    ) -> Refused:
        """403, written down. Of a webhook's path nothing is kept that may be its key."""
        resource = f"{request.method} {_WEBHOOK_KEY.sub(REDACTED, request.raw_path)}"
        self.recording.refused(by, "request", resource, slug, remote=self.origins.remote(request))
        return Refused(403, slug, detail=detail, more=more)


def of_session(request: HttpRequest, session: Session) -> Admitted:
    """A request within a session."""
    return Admitted(request=request, identity=session.identity, csrf=session.csrf, access=session.access)


async def open_guard(engine: Engine, users: Users, origins: Origins, *, realm: str = "Hookledger") -> Guard:
    """The guard of an open engine, with the tokens its journal knows."""
    return Guard(engine, users, await open_tokens(engine.journal), origins, realm=realm)


def _missing(identity: Identity, needs: Permission) -> tuple[str, dict[str, Any]]:
    """What is missing and who has it, for people and for programs."""
    roles = [role.value for role in GRANTS if needs in GRANTS[role]]
    detail = (
        f"this needs the permission `{needs}`, which the role `{identity.role}` does not have; "
        f"`{roles[0]}` has it"
    )
    return detail, {"permission": needs.value, "roles": roles}


async def form_of(request: HttpRequest) -> tuple[HttpRequest, dict[str, str]]:
    """The fields of a form in the body, and the request with its body to be read again. No fields of other bodies.

    Raises:
        Refused: It is too large.
    """
    media = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if media != FORM_TYPE:
        return request, {}
    try:
        body = await read_body(request)
    except BodyTooLarge:
        raise Refused(413, "body-too-large", detail=f"a form may have {BODY_BYTES_MAX} bytes here") from None
    fields = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    return msgspec.structs.replace(request, body=_again(body)), dict(fields)


async def _again(body: bytes) -> AsyncIterator[bytes]:
    yield body
