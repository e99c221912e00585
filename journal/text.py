"""Times, durations and short values as text for people, on a terminal or a page."""

import difflib
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import msgspec

VALUE_CHARS_MAX: Final = 80
_STEERING: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
"""What a terminal obeys or a reader cannot see: controls (C0, C1), marks of direction, tags, halves of pairs."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: Final = ((86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "min"))


def moment(at: int) -> str:
    """Microseconds since 1970 as UTC text, to the millisecond; a dash for 0."""
    if not at:
        return "-"
    try:
        return (_EPOCH + timedelta(microseconds=at)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    except OverflowError:
        return f"{at} µs"


def duration(microseconds: int) -> str:
    """A readable duration: `870 µs`, `12 ms`, `3.2 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h`."""
    if microseconds < 1_000:
        return f"{microseconds} µs"
    if microseconds < 1_000_000:
        return f"{microseconds / 1_000:.3g} ms" if microseconds < 999_500 else "1 s"
    if microseconds < 60_000_000:
        return f"{microseconds / 1_000_000:.3g} s"
    return _long(microseconds)


def _long(microseconds: int) -> str:
    units = (*_UNITS, (1_000_000, "s"))
    for (size, name), (smaller, smaller_name) in pairwise(units):
        if microseconds >= size:
            rest = microseconds % size // smaller
            return f"{microseconds // size} {name}" + (f" {rest} {smaller_name}" if rest else "")
    raise AssertionError("shorter than a minute")


def size(count: int) -> str:
    """Bytes, readable."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def shorten(text: str, limit: int = VALUE_CHARS_MAX) -> str:
    """One line of at most `limit` characters, without control characters that would move a terminal's cursor."""
    line = "".join(c if c.isprintable() else " " for c in text[: limit * 4])
    line = " ".join(line.split())
    return line if len(line) <= limit and len(text) <= limit * 4 else f"{line[: limit - 1]}…"


def escaped(text: str, *, lines: bool = False) -> str:
    """Text of others as it may stand on a terminal or in a file for people: what steers stands there as its escape.

    Args:
        text: Any text; escaping it twice changes nothing more.
        lines: Whether it may have several lines, with tabs; otherwise line ends are escaped too.
    """
    kept = "\n\t" if lines else ""
    return _STEERING.sub(lambda found: found[0] if found[0] in kept else _escape(found[0]), text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def quiet(json_text: str) -> str:
    """JSON of the same value, in which nothing that a terminal obeys stands as it is."""
    return _STEERING.sub(lambda found: found[0] if found[0] == "\n" else _json_escape(found[0]), json_text)


def _json_escape(character: str) -> str:
    """JSON counts in units of UTF-16."""
    pair = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{pair[at : at + 4]}" for at in range(0, len(pair), 4))


def unknown(what: str, word: str, known: Iterable[str]) -> str:
    """Say that a word is none of those there are, and which one was meant."""
    names = list(known)
    near = difflib.get_close_matches(word[:80].upper(), {name.upper(): name for name in names}, n=1)
    meant = next((name for name in names if near and name.upper() == near[0]), "")
    help_ = f"did you mean `{meant}`?" if meant else f"there are {', '.join(names)}"
    return f"there is no {what} `{shorten(word)}`; {help_}"


def brief(value: Any) -> str:
    """A value as short JSON text."""
    return shorten(msgspec.json.encode(value).decode())


def pairs(values: Iterable[tuple[str, Any]]) -> str:
    """`name=value` for each, short."""
    return "  ".join(f"{name}={brief(value)}" for name, value in values)


def body(data: bytes) -> str:
    """A request body: its text, or how many bytes of what."""
    try:
        return shorten(data.decode())
    except UnicodeDecodeError:
        return f"{len(data)} bytes, {shorten(data[:16].hex(' '))}"
