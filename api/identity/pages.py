"""The way into the console: the login page, logging out, and what happens to a request without a session."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from hookledger.api.html import Draw, see_other
from hookledger.api.http import HttpRequest, HttpResponse
from hookledger.api.identity.cookies import FORM, SESSION, cookie, set_cookie
from hookledger.api.identity.guard import CSRF_FIELD, SAFE, Admitted, Guard, form_of, of_session
from hookledger.api.identity.identity import How, Identity
from hookledger.api.identity.passwords import text_bytes
from hookledger.api.identity.places import HOME, LOGIN, local, login_then
from hookledger.api.identity.sessions import SECRET_BYTES, Session, urlsafe
from hookledger.api.permissions import Permission
from hookledger.api.webhook.refusal import Refused

WRONG: Final = "The user name or the password is not right."
OLD: Final = "This form was not ours, or it was too old. Try again."
CHALLENGE: Final = {"WWW-Authenticate": f'Cookie form-action="{LOGIN}", cookie-name={SESSION}'}
"""A 401 must say how to do better (RFC 9110); browsers open no dialog for a scheme they do not know."""


class Entrance:
    """Lets people into the console."""

    def __init__(self, guard: Guard, draw: Draw) -> None:
        self._guard = guard
        self._draw = draw
        self._key = guard.engine.ports.entropy.token(SECRET_BYTES)

    async def enter(self, request: HttpRequest, needs: Permission) -> Admitted:
        """Let a request to a page through.

        Raises:
            Refused: There is no session, what it sends comes from no form of ours, or the role does not grant it.
        """
        session = self._guard.session(request)
        if session is None:
            raise Refused(401, "unauthorized", detail="log in first", headers=CHALLENGE)
        request = await self._guard.from_our_form(request, session)
        return self._guard.allowed(of_session(request, session), needs)

    def refused(self, request: HttpRequest, refused: Refused) -> HttpResponse:
        """What a browser gets instead of the page: the login page, or a page that says why not."""
        if refused.status == 401 and request.method in SAFE:
            return see_other(login_then(request.raw_path, request.raw_query))
        if "text/html" not in (request.header("accept") or ""):
            return refused.answer()
        session = self._guard.session(request)
        known = {} if session is None else {"who": session.identity, "csrf": session.csrf}
        made = self._draw("refused.html", refused.status, detail=refused.detail, login=LOGIN, **known)
        return made.with_headers(refused.headers)

    async def form(self, request: HttpRequest, wanted: str) -> HttpResponse:
        """The login page; whoever is logged in already goes on."""
        target = local(wanted)
        if self._guard.session(request) is not None:
            return see_other(target)
        return self._form(request, target)

    async def login(self, request: HttpRequest) -> HttpResponse:
        """Take a login form: a session under a new id, or the form again with what is wrong."""
        try:
            self._guard.same_site(request)
            request, fields = await form_of(request)
            return await self._login(request, fields)
        except Refused as refused:
            return self.refused(request, refused)

    async def logout(self, request: HttpRequest) -> HttpResponse:
        """End the session; a form without its token ends nothing."""
        try:
            self._guard.same_site(request)
            session = self._guard.session(request)
            if session is None:
                return see_other(LOGIN)  # and no cookie is taken back: another site may have sent this
            await self._guard.from_our_form(request, session)
        except Refused as refused:
            return self.refused(request, refused)
        return await self._end(request, session)

    async def _login(self, request: HttpRequest, fields: Mapping[str, str]) -> HttpResponse:
        target, name = local(fields.get("next", "")), fields.get("user", "")
        if not self._is_ours(request, fields.get(CSRF_FIELD, "")):
            return self._form(request, target, 403, OLD, name)
        try:
            user = await self._guard.password(request, name, fields.get("password", ""))
        except Refused as refused:
            made = self._form(request, target, refused.status, f"{refused.detail}.", name)
            return made.with_headers(refused.headers)
        if user is None:
            return self._form(request, target, 401, WRONG, name).with_headers(CHALLENGE)
        return await self._begin(request, Identity(name=user.name, role=user.role, how=How.SESSION), target)

    async def _begin(self, request: HttpRequest, identity: Identity, target: str) -> HttpResponse:
        """Whatever session the browser had is over, and nobody who knew its id is in the new one."""
        guard = self._guard
        secure = guard.origins.secure(request)
        guard.sessions.end(cookie(request, SESSION, secure=secure))
        await guard.recording.done(identity.by, "login", remote=guard.origins.remote(request))
        secret, _ = guard.sessions.begin(identity)
        made = see_other(target, set_cookie(SESSION, secret, secure=secure))
        return made.with_headers(set_cookie(FORM, "", secure=secure))

    async def _end(self, request: HttpRequest, session: Session) -> HttpResponse:
        guard = self._guard
        secure = guard.origins.secure(request)
        guard.sessions.end(cookie(request, SESSION, secure=secure))
        await guard.recording.done(session.identity.by, "logout", remote=guard.origins.remote(request))
        return see_other(LOGIN, set_cookie(SESSION, "", secure=secure))

    def _form(
        self, request: HttpRequest, target: str, status: int = 200, message: str = "", name: str = ""
    ) -> HttpResponse:
        secure = self._guard.origins.secure(request)
        held = cookie(request, FORM, secure=secure)
        value = held or urlsafe(self._guard.engine.ports.entropy.token(SECRET_BYTES))
        made = self._draw(
            "login.html",
            status,
            action=LOGIN,
            token=self._token(value),
            next=target if target != HOME else "",
            message=message,
            user=name,
        )
        return made if held else made.with_headers(set_cookie(FORM, value, secure=secure))

    def _is_ours(self, request: HttpRequest, token: str) -> bool:
        """Whether the form was drawn for the browser that sends it: there is no session yet to hold its token."""
        held = cookie(request, FORM, secure=self._guard.origins.secure(request))
        return bool(held) and hmac.compare_digest(text_bytes(token), text_bytes(self._token(held)))

    def _token(self, held: str) -> str:
        return urlsafe(hmac.digest(self._key, text_bytes(held), hashlib.sha256))
