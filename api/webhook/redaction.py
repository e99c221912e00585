"""Keeps credentials out of the journal and the logs: they are replaced before anything is written."""

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Final
from urllib.parse import unquote_plus

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
SECRET_PARAMETERS: Final = frozenset({"access_token"})


def redact_headers(headers: Headers, more: frozenset[str] = frozenset()) -> Headers:
    """Replace the values of headers that carry credentials; names are compared in lower case."""
    secret = SECRET_HEADERS | more
    return tuple((name, REDACTED if name.lower() in secret else value) for name, value in headers)


def redact_path(raw_path: str) -> str:
    """Replace the key, which is the last part of a webhook's path; one slash may stand behind it."""
    named = raw_path.removesuffix("/")
    head, _, _ = named.rpartition("/")
    return f"{head}/{REDACTED}{raw_path[len(named) :]}"


def redact_query(raw_query: str, more: frozenset[str] = frozenset()) -> str:
    """Replace the values of parameters that carry credentials."""
    if not raw_query:
        return raw_query
    secret = SECRET_PARAMETERS | more
    return "&".join(_parameter(part, secret) for part in raw_query.split("&"))


def _parameter(part: str, secret: frozenset[str]) -> str:
    name, equals, _ = part.partition("=")
    return f"{name}={REDACTED}" if equals and unquote_plus(name) in secret else part


def redact_fields(fields: Mapping[str, Sequence[str]], names: frozenset[str]) -> dict[str, list[str]]:
    """Replace the text fields of a form that have these names."""
    return {name: [REDACTED] * len(given) if name in names else list(given) for name, given in fields.items()}


def redact_body(body: bytes, pointers: Sequence[tuple[str, ...]]) -> bytes:
    """Replace what JSON Pointers name; a body that is no JSON document is returned as it is."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body
    changed = [_replace(value, pointer) for pointer in pointers]
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() if any(changed) else body


def redact_events(
    variables: Mapping[str, Any], pointers: Sequence[tuple[str, ...]], *, below: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Replace the same places in what was read from the body: the CloudEvents in `trigger.event` and `.events`.

    Args:
        below: Where in the event the body is.
    """
    found = dict(variables)
    for name in ("event", "events"):
        if name in found:
            found[name] = deepcopy(found[name])
            for pointer in pointers:
                _replace(
                    found[name], (*below, *("data" if step == "data_base64" else step for step in pointer))
                )
    return found


def _replace(value: Any, pointer: tuple[str, ...]) -> bool:
    *parents, last = pointer
    for step in parents:
        value = _below(value, step)
    if isinstance(value, dict) and last in value:
        value[last] = REDACTED
        return True
    if isinstance(value, list) and last.isdecimal() and int(last) < len(value):
        value[int(last)] = REDACTED
        return True
    return False


def _below(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
        return value[int(step)]
    return None
