"""Where a browser may be sent after a login: pages of this console, whatever a link asks for."""

import re
from typing import Final
from urllib.parse import quote, unquote

UI: Final = "/ui/main"
HOME: Final = f"{UI}/"
LOGIN: Final = f"{UI}/login"
LOGOUT: Final = f"{UI}/logout"
_LENGTH_MAX: Final = 2000
_PLAIN: Final = re.compile(r"/ui/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\\]")
_ASTRAY: Final = re.compile(r"//|/\.{1,2}(?:/|$)")
_BROKEN: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def local(wanted: str) -> str:
    """The place somebody wants to go to, or the console's first page when it is not one of ours.

    A path below `/ui/` of plain URL characters only. Nothing in it may turn into a control character, a backslash,
    an empty segment or a dot segment when it is decoded, once or again: browsers and proxies disagree on what such
    a URL means.
    """
    if len(wanted) > _LENGTH_MAX or not _PLAIN.fullmatch(wanted) or _BROKEN.search(wanted):
        return HOME
    once = unquote(wanted)
    for text in (wanted, once, unquote(once)):
        if _CONTROL.search(text) or _ASTRAY.search(text.partition("?")[0]):
            return HOME
    return HOME if wanted.partition("?")[0] in (LOGIN, LOGOUT) else wanted


def login_then(path: str, query: str) -> str:
    """The login page, which then leads to a page of ours.

    Args:
        path: Decoded.
        query: As sent.
    """
    wanted = quote(path, safe="/~!$&'()*+,;=:@") + (f"?{query}" if query else "")
    target = local(wanted)
    return LOGIN if target == HOME else f"{LOGIN}?next={quote(target, safe='/')}"
