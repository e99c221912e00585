"""Cookies as they are read and set. Under https their names begin with `__Host-`, which no other host can set."""

from typing import Final

from hookledger.api.http import HttpRequest

SESSION: Final = "hookledger_session"
FORM: Final = "hookledger_login"
"""Belongs to a login form that is open in a browser."""
_HOST: Final = "__Host-"


def cookie(request: HttpRequest, name: str, *, secure: bool) -> str:
    """The value of a cookie; empty when there is none, or several, one of which somebody planted."""
    wanted = _named(name, secure)
    pairs = (pair.partition("=") for line in request.header_all("cookie") for pair in line.split(";"))
    found = [value.strip() for key, _, value in pairs if key.strip() == wanted]
    return found[0] if len(found) == 1 else ""


def set_cookie(name: str, value: str, *, secure: bool) -> dict[str, str]:
    """The header that sets a cookie until the browser closes, or takes it back when the value is empty."""
    attributes = ["Path=/", "HttpOnly", "SameSite=Lax"]
    if secure:
        attributes.append("Secure")
    if not value:
        attributes.append("Max-Age=0")
    return {"Set-Cookie": "; ".join([f"{_named(name, secure)}={value}", *attributes])}


def _named(name: str, secure: bool) -> str:
    return _HOST + name if secure else name
