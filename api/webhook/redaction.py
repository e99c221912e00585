"""Keeps credentials out of the journal and the logs: they are replaced before anything is written."""

from typing import Final

from hookledger.api.http import Headers

REDACTED: Final = "[redacted]"
SECRET_HEADERS: Final = frozenset(
    {
        "authorization",
        "cookie",
        "proxy-authorization",
        "x-api-key",
        "x-auth-token",
        "x-gitlab-token",
        "x-hook-secret",
    }
)


def redact_headers(headers: Headers, more: frozenset[str] = frozenset()) -> Headers:
    """Replace the values of headers that carry credentials; names are compared in lower case."""
    secret = SECRET_HEADERS | more
    return tuple((name, REDACTED if name.lower() in secret else value) for name, value in headers)


def redact_path(raw_path: str) -> str:
    """Replace the key, which is the last part of a webhook's path."""
    head, _, _ = raw_path.rpartition("/")
    return f"{head}/{REDACTED}"
