"""Keeps credentials out of the journal and the logs: they are replaced before anything is written."""

import codecs
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote_plus, unquote_plus

import msgspec

from hookledger.api.http import Headers
from hookledger.runtime.charsets import UTF_8, charset_of, decoded, known_charset
from hookledger.runtime.json_slices import TooManyValues, loads
from hookledger.runtime.triggers.received import is_json, media_of
from hookledger.runtime.triggers.webhook.settings import Redaction

KEY_CHARS_ALONE: Final = 8
REDACTED: Final = "[redacted]"
FORM: Final = "application/x-www-form-urlencoded"
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


def redact_parameters(text: str, more: frozenset[str] = frozenset()) -> str:
    """Replace the same parameters in a URL: proxies copy it into headers, and pages into `Referer`."""
    before, mark, query = text.partition("?")
    return f"{before}?{redact_query(query, more)}" if mark else text


def redact_path(raw_path: str) -> str:
    """Replace the key, which is the last part of a webhook's path; one slash may stand behind it."""
    named = raw_path.removesuffix("/")
    head, _, _ = named.rpartition("/")
    return f"{head}/{REDACTED}{raw_path[len(named) :]}"


@lru_cache(maxsize=1024)
def _spellings(key: str) -> re.Pattern[str]:
    """Every spelling of a key in a URL: plain, percent-encoded once or more, or in part.

    A short one counts only where it stands alone, or half of all words would have it in them.
    """
    encoded = "".join(_spelling(character) for character in key)
    if len(key) >= KEY_CHARS_ALONE:
        return re.compile(encoded)
    return re.compile(rf"(?:(?<![A-Za-z0-9])|(?<=%2[fF])){encoded}(?![A-Za-z0-9])")


def _spelling(character: str) -> str:
    octets = character.encode("utf-8", "surrogatepass")
    percent = "".join(f"%(?:25)*(?i:{octet:02x})" for octet in octets)
    return f"(?:{re.escape(character)}|{re.escape(octets.decode('latin-1'))}|{percent})"


def redact_key(text: str, key: str) -> str:
    """Replace a webhook's key wherever it stands: proxies copy the URL into headers."""
    return _spellings(key).sub(REDACTED, text) if key and text else text


def redact_query(raw_query: str, more: frozenset[str] = frozenset()) -> str:
    """Replace the values of parameters that carry credentials."""
    if not raw_query:
        return raw_query
    secret = SECRET_PARAMETERS | more
    return "&".join(_parameter(part, secret) for part in raw_query.split("&"))


def _parameter(part: str, secret: frozenset[str]) -> str:
    name, equals, _ = part.partition("=")
    return f"{name}={REDACTED}" if equals and unquote_plus(name) in secret else part


class Unredactable(Exception):
    """What is to be kept out of the journal cannot be found in this body; the text says why."""


def redact_fields(fields: Mapping[str, Sequence[str]], rules: Redaction) -> dict[str, list[str]]:
    """Replace in the text fields of a form what the rules name.

    A pointer's first step may be the name of a field; a field that holds JSON is looked into.

    Raises:
        Unredactable: A field begins like JSON and is none that is read in one way only.
    """
    return {name: [_field(name, value, rules) for value in given] for name, given in fields.items()}


def _field(name: str, value: str, rules: Redaction) -> str:
    outer = name.partition("[")[0]  # `card[number]` is `/card/number` to many a framework
    if name in rules.parameters or any(outer == pointer[0] for pointer in rules.pointers):
        return REDACTED
    if not rules.pointers or not _is_like_json(value):
        return value
    found = _replaced(value, rules.pointers)
    return value if found is None else found.decode()


def check_files(files: Iterable[tuple[str, str]], rules: Redaction) -> None:
    """Files of forms are kept as they are sent.

    Args:
        files: Name and content type of each.

    Raises:
        Unredactable: What the rules name is, or may be, in one of them.
    """
    for name, content_type in files:
        named = name in rules.parameters or any(name == pointer[0] for pointer in rules.pointers)
        if named or (rules.pointers and is_json(media_of(content_type))):
            raise Unredactable(f"the form's file {name[:100]!r} would be kept as it is")


def redact_body(body: bytes, content_type: str, charset: str, rules: Redaction) -> bytes:
    """Replace in a body what JSON Pointers name, and the fields of an urlencoded form.

    Raises:
        Unredactable: Pointers are to be followed, and the body is neither a form nor a JSON document that is read in
            one way only.
    """
    if not body or not (rules.pointers or rules.parameters):
        return body
    charsets, media = (charset_of(content_type), charset), media_of(content_type)
    if media == FORM or not (media or rules.pointers):
        form = _redact_form(body, charsets, rules)
        if form is not None:
            return form
    return _redact_json(body, charsets, rules.pointers) if rules.pointers else body


def _redact_form(body: bytes, charsets: tuple[str, str], rules: Redaction) -> bytes | None:
    """None for what is no form, whatever it claims to be."""
    try:
        text = decoded(body, *charsets, errors="surrogateescape")
        if _is_like_json(text) and (rules.pointers or _is_json_text(text)):
            return None
        parts = [_part(part, rules) for part in text.split("&")]
        changed = "&".join(parts)
        return body if changed == text else _marked(changed.encode("utf-8", "surrogateescape"), charsets)
    except UnicodeError as error:
        raise Unredactable("it is no text in its charset") from error


def _part(part: str, rules: Redaction) -> str:
    name, equals, value = part.partition("=")
    if not equals:
        return part
    plain = unquote_plus(value)
    found = _field(unquote_plus(name), plain, rules)
    return part if found == plain else f"{name}={found if found == REDACTED else quote_plus(found)}"


def _is_like_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[")


def _is_json_text(text: str) -> bool:
    try:
        loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _marked(text: bytes, charsets: tuple[str, str]) -> bytes:
    """UTF-8 that is read as such, whatever charset the body was said to have."""
    usual = next(filter(None, map(known_charset, charsets)), UTF_8) in (UTF_8, "utf_8")
    return text if usual else codecs.BOM_UTF8 + text


def _redact_json(body: bytes, charsets: tuple[str, str], pointers: Sequence[tuple[str, ...]]) -> bytes:
    try:
        text = decoded(body, *charsets, errors="strict")
    except UnicodeDecodeError as error:
        raise Unredactable("it is no text in its charset") from error
    changed = _replaced(text, pointers)
    return body if changed is None else _marked(changed, charsets)


def _replaced(text: str, pointers: Sequence[tuple[str, ...]]) -> bytes | None:
    """The JSON without what the pointers name; None when there is nothing of it."""
    try:
        value = loads(text, unique=True)
        found = [_replace(value, pointer) for pointer in pointers]
        return _dumped(value) if any(found) else None
    except TooManyValues as error:
        raise Unredactable(str(error)) from error
    except RecursionError as error:
        raise Unredactable("it nests too deeply") from error
    except ValueError as error:
        raise Unredactable(f"it is no JSON: {str(error)[:200]}") from error


def _dumped(value: Any) -> bytes:
    """Halves of surrogate pairs, which no UTF-8 can carry, stay escaped."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


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
        if step == "data" and isinstance(value, dict) and "data" not in value and "data_base64" in value:
            last = "data_base64"  # an event's data that cannot be looked into here
            break
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
