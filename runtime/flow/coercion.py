"""Turns what a caller sent into the value its declared type asks for.

Every result is plain JSON data, so it can stand in a journal: times are ISO 8601 text, and
converting a result again changes nothing (except for JSON and YAML texts that contain text).
A value that does not fit is refused, never guessed, and never shown: it may be a secret or
somebody's data.
"""

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import TypeAlias
from urllib.parse import urlsplit

import msgspec

from hookledger.runtime.durations import DurationInvalid, parse_duration
from hookledger.runtime.flow.problems import PROBLEMS_MAX, Path
from hookledger.runtime.flow.reading import is_list, kind
from hookledger.runtime.flow.source import Plain, SourceInvalid, load

Fault: TypeAlias = tuple[Path, str]

ANY = "ANY"  # of items that declare no type; authors cannot write it
INT_MIN, INT_MAX = -(2**63), 2**63 - 1
EMAIL_CHARS_MAX = 254
UNICODE_SLICE = 2**20

INTEGER = re.compile(r"[-+]?[0-9]{1,20}")
NUMBER = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
BOOLEANS = {"true": True, "false": False}
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
TIME = re.compile(r"(?:[01][0-9]|2[0-3]):[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?")  # no 24:00: Pythons differ
INSTANT = re.compile(rf"{DATE.pattern}T{TIME.pattern}(?:Z|[-+][0-9]{{2}}:?[0-9]{{2}})")
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f\x7f<>\"{}|\\^`]+")
LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
EMAIL = re.compile(rf"[^\s@\"(),:;<>\[\]\\]{{1,64}}@{LABEL}(?:\.{LABEL})*")


class ValueRejected(Exception):
    """A value that does not fit its type; each fault has its path inside the value."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("; ".join(message for _, message in faults))


def refuse(wanted: str, value: object) -> ValueRejected:
    got = "another text" if isinstance(value, str) else kind(value)
    return ValueRejected(((), f"expected {wanted}, got {got}"))


def to_text(value: object) -> str:
    """Keep text; numbers and booleans become their JSON text. Lists and mappings are no text."""
    if isinstance(value, bool | int | float):
        return json.dumps(to_plain(value))
    if not isinstance(value, str):
        raise ValueRejected(((), f"expected text, got {kind(value)}; send text, or declare the type JSON"))
    if not _is_unicode(value):
        raise ValueRejected(((), "expected text, got half of a surrogate pair; send whole characters"))
    return value


def _is_unicode(text: str) -> bool:
    """In slices, so that other threads get their turn beside a large text."""
    if text.isascii():
        return True
    try:
        for start in range(0, len(text), UNICODE_SLICE):
            text[start : start + UNICODE_SLICE].encode()
    except UnicodeEncodeError:
        return False
    return True


def to_integer(value: object) -> int:
    """Take a whole number of 64 bits, also as text or written as `5.0`."""
    if isinstance(value, str) and INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise refuse("a whole number such as 42", value)
    if not INT_MIN <= value <= INT_MAX:
        raise ValueRejected(((), "the number does not fit into 64 bits; declare the type STRING to keep it"))
    return value


def to_float(value: object) -> float:
    """Take a finite number, also as text."""
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits and not (isinstance(value, str) and NUMBER.fullmatch(value)):
        raise refuse("a number such as 1.5", value)
    try:
        number = float(str(value) if isinstance(value, str) else value)  # type: ignore[arg-type]
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueRejected(((), "the number is too large or not a number; send a finite one"))
    return number


def to_boolean(value: object) -> bool:
    """Take a boolean, or `true` and `false` in any case.

    Nothing else: 1, yes and on mean different things to different senders, and reading every
    other text as false turns a typing error into a decision.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in BOOLEANS:
        return BOOLEANS[value.lower()]
    raise refuse("true or false", value)


def to_datetime(value: object) -> str:
    """Take an instant (with Z or an offset) and write it in UTC, with microseconds as the engines do."""
    wanted = "an instant such as 2026-01-31T09:30:00Z, with Z or an offset"
    if not isinstance(value, str) or not INSTANT.fullmatch(value.upper()):
        raise refuse(wanted, value)
    try:
        instant = datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise refuse(wanted, value) from None
    return f"{instant.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def to_date(value: object) -> str:
    try:
        if isinstance(value, str) and DATE.fullmatch(value):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    raise refuse("a date such as 2026-01-31", value)


def to_time(value: object) -> str:
    try:
        if isinstance(value, str) and TIME.fullmatch(value):
            return _iso(time.fromisoformat(value))
    except ValueError:
        pass
    raise refuse("a time such as 09:30:00", value)


def _iso(moment: datetime | time) -> str:
    """Write seconds always, and a fraction as three or six digits."""
    precision = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.isoformat(timespec=precision if moment.microsecond else "seconds")


def to_duration(value: object) -> float:
    """Take a duration; it is its number of seconds, as in the engines."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise refuse("a duration such as PT1H30M", value)
    try:
        return parse_duration(str(value)) / 1_000_000
    except DurationInvalid as invalid:
        raise ValueRejected(((), str(invalid))) from None


def to_json(value: object) -> Plain:
    """Take data as it is; text is read as JSON."""
    return _decode(value.encode("utf-8", "surrogatepass")) if isinstance(value, str) else to_plain(value)


def to_yaml(value: object) -> Plain:
    """Take data as it is; text is read as YAML, by the rules for flows. Refusals name keys at most."""
    if not isinstance(value, str):
        return to_plain(value)
    try:
        return load(value).data
    except SourceInvalid as invalid:
        places = (f"line {found.line}, column {found.column}: {found.message}" for found in invalid.problems)
        raise ValueRejected(*(((), f"not YAML: {place}") for place in places)) from None


def to_list(value: object) -> list[object]:
    """Take a list, or text that holds a JSON list."""
    found = to_json(value) if isinstance(value, str) else value
    if not is_list(found):
        raise refuse('a list, or its JSON text such as ["a", "b"]', value)
    return list(found)


def to_plain(value: object) -> Plain:
    """Copy data that JSON can hold, through JSON."""
    try:
        return _decode(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())
    except (TypeError, ValueError, RecursionError):
        raise refuse("data that JSON can hold", value) from None


def _decode(text: bytes) -> Plain:
    try:
        found: Plain = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueRejected(((), "not valid JSON; send JSON text or data")) from None
    return found


def to_uri(value: object) -> str:
    """Take a URI with its scheme."""
    wanted = "a URI such as https://example.com/path"
    if not isinstance(value, str) or not URI.fullmatch(value) or not _is_unicode(value):
        raise refuse(wanted, value)
    try:
        urlsplit(value)
    except ValueError:
        raise refuse(wanted, value) from None
    return value


def to_email(value: object) -> str:
    """Take one address: no display name, no comment, no quoted name."""
    if not isinstance(value, str) or len(value) > EMAIL_CHARS_MAX or not EMAIL.fullmatch(value):
        raise refuse("an address such as name@example.com", value)
    return to_text(value)


# Types that need nothing but the value; those with choices or items are in `input_types`.
CONVERT: dict[str, Callable[[object], Plain]] = {
    "STRING": to_text,
    "SECRET": to_text,
    "INT": to_integer,
    "FLOAT": to_float,
    "BOOLEAN": to_boolean,
    "DATETIME": to_datetime,
    "DATE": to_date,
    "TIME": to_time,
    "DURATION": to_duration,
    "JSON": to_json,
    "YAML": to_yaml,
    "FILE": to_uri,
    "URI": to_uri,
    "EMAIL": to_email,
    ANY: to_plain,
}


def convert_items(item_type: str, items: list[object]) -> list[Plain]:
    """Convert each item, and refuse with the faults of all of them."""
    converted: list[Plain] = []
    faults: list[Fault] = []
    for index, item in enumerate(items):
        try:
            converted.append(CONVERT[item_type](item))
        except ValueRejected as rejected:
            faults += [((index, *path), message) for path, message in rejected.faults]
    if faults:
        raise ValueRejected(*faults[:PROBLEMS_MAX])
    return converted
