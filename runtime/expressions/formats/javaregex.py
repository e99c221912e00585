"""Regular expressions in Java's notation, with a bound on the time they take.

The `regex` package knows possessive quantifiers, sets and Unicode properties and can give up after a
time. What Java writes differently is translated; what only that package knows is refused.
"""

import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Final

import regex

from hookledger.runtime.expressions.errors import LimitExceeded, WrongValue
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.regexes import PatternTooLarge, check_size

SPACES: Final = r" \t\n\x0b\f\r"
# Inside and outside of a character class alike; Java's shorthand classes know ASCII only.
CLASSES: Final[Mapping[str, str]] = {
    "d": "0-9",
    "w": "A-Za-z0-9_",
    "s": SPACES,
    "h": r" \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000",
    "v": r"\n\x0b\f\r\x85\u2028\u2029",
}
POSIX: Final[Mapping[str, str]] = {
    "Lower": "a-z",
    "Upper": "A-Z",
    "ASCII": r"\x00-\x7f",
    "Alpha": "A-Za-z",
    "Digit": "0-9",
    "Alnum": "A-Za-z0-9",
    "Punct": r"!-/:-@\[-`{-~",
    "Graph": "!-~",
    "Print": " -~",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1f\x7f",
    "XDigit": "0-9A-Fa-f",
    "Space": SPACES,
    "javaLowerCase": r"\p{Ll}",
    "javaUpperCase": r"\p{Lu}",
    "javaWhitespace": r"\s",
}
# The same under the flag U; a class that is not listed stays what it is.
UNICODE_CLASSES: Final[Mapping[str, str]] = {
    "d": r"\p{Nd}",
    "w": r"\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\u200c\u200d",
    "s": r"\p{White_Space}",
}
UNICODE_POSIX: Final[Mapping[str, str]] = {
    "Lower": r"\p{Lowercase}",
    "Upper": r"\p{Uppercase}",
    "Alpha": r"\p{Alphabetic}",
    "Digit": r"\p{Nd}",
    "Alnum": r"\p{Alphabetic}\p{Nd}",
    "Punct": r"\p{P}",
    "Space": r"\p{White_Space}",
}
# An accent belongs to the letter it stands on.
WORD: Final = r"[A-Za-z0-9_\p{Mn}]"
BOUNDARIES: Final[Mapping[str, str]] = {
    "b": f"(?:(?<={WORD})(?!{WORD})|(?<!{WORD})(?={WORD}))",
    "B": f"(?:(?<={WORD})(?={WORD})|(?<!{WORD})(?!{WORD}))",
}
NEVER: Final = "(?!)"
ANCHORS: Final[Mapping[str, str]] = {"z": r"\Z", "Z": r"(?=\n?\Z)", "e": r"\x1b", "a": r"\x07"}
SAME: Final = frozenset("bBAGtnrfRX\\0123456789")
QUOTED = re.compile(r"\\Q(.*?)(?:\\E|\Z)", re.DOTALL)
PROPERTY = re.compile(r"\\([pP])(?:\{(\^?)([^}]*)\}|([A-Z]))")
CODE_POINT = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|x\{([0-9A-Fa-f]{1,6})\})")
BACKREFERENCE = re.compile(r"\\k<(\w+)>")
NUMBERED = re.compile(r"\\([1-9][0-9]{0,3})")
CONTROL = re.compile(r"\\c(.)", re.DOTALL)
REPEAT = re.compile(r"\{[0-9]+(,[0-9]*)?\}")
FLAGS = re.compile(r"\(\?([imsxuUd]*)(?:-([imsxuUd]+))?([:)])")
GROUP = re.compile(r"\(\?(?:[:=!>]|<[=!]|<[A-Za-z][A-Za-z0-9]*>)")
REFERENCE = re.compile(r"\\(.)|\$(?:(\d+)|\{(\w+)\}|(.?))|\\\Z", re.DOTALL)


class Translator:
    """Turns one pattern into the notation of the `regex` package."""

    def __init__(self, pattern: str, groups: int = 0) -> None:
        """`groups`: how many groups the pattern is known to have."""
        self.pattern, self.position = pattern, 0
        self.depth = 0  # of character classes
        self.unicode = [False]  # the flag U, one for each open group
        self.known, self.groups = groups, 0

    def run(self) -> str:
        """Translate the whole pattern; once more when it refers to groups and their number is known."""
        translated = "".join(self.pieces())
        if NEVER in translated and self.groups > self.known:
            return Translator(self.pattern, self.groups).run()
        return translated

    def pieces(self) -> Iterator[str]:
        while self.position < len(self.pattern):
            yield self.escape() if self.pattern[self.position] == "\\" else self.plain()

    def take(self, matched: re.Match[str]) -> re.Match[str]:
        self.position = matched.end()
        return matched

    def escape(self) -> str:
        """Translate what a backslash begins."""
        for pattern, translate in ESCAPES:
            if matched := pattern.match(self.pattern, self.position):
                return translate(self, self.take(matched))
        if self.position + 1 >= len(self.pattern):
            raise WrongValue("a regular expression ends with a backslash")
        letter = self.pattern[self.position + 1]
        self.position += 2
        return self.letter(letter)

    def letter(self, letter: str) -> str:
        """Translate a backslash and one letter."""
        if letter.lower() in CLASSES:
            known = {**CLASSES, **UNICODE_CLASSES} if self.unicode[-1] else CLASSES
            return self.group_of(known[letter.lower()], negated=letter.isupper())
        if letter in BOUNDARIES and not self.unicode[-1]:
            return self.outside(BOUNDARIES[letter])
        if letter in ANCHORS:
            return ANCHORS[letter]
        if letter in SAME:
            return "\\" + letter
        if letter.isascii() and letter.isalpha():
            raise WrongValue(f"a regular expression has the unknown escape `\\{letter}`")
        return regex.escape(letter, special_only=False)

    def group_of(self, content: str, *, negated: bool) -> str:
        """A class of characters, also within another class."""
        return f"[^{content}]" if negated else content if self.depth else f"[{content}]"

    def quoted(self, matched: re.Match[str]) -> str:
        return regex.escape(matched[1], special_only=False)

    def property(self, matched: re.Match[str]) -> str:
        name = matched[3] if matched[4] is None else matched[4]
        negated = (matched[1] == "P") != (matched[2] == "^")
        if name in POSIX:
            known = {**POSIX, **UNICODE_POSIX} if self.unicode[-1] else POSIX
            return self.group_of(known[name], negated=negated)
        name = re.sub(r"^(Is|In)(?=[A-Z])", "", name)
        return f"\\{'P' if negated else 'p'}{{{name}}}"

    def code_point(self, matched: re.Match[str]) -> str:
        value = int(matched[1] or matched[2] or matched[3], 16)
        if value > 0x10FFFF:
            raise WrongValue("a regular expression names a character that does not exist")
        return regex.escape(chr(value), special_only=False)

    def outside(self, piece: str) -> str:
        """What may not stand in a class of characters."""
        if self.depth:
            raise WrongValue("a class of characters in a regular expression has a boundary or a group in it")
        return piece

    def numbered(self, matched: re.Match[str]) -> str:
        """A group by number: as many digits as still name one; a group that is nowhere matches nothing."""
        digits = matched[1]
        used = next((end for end in range(len(digits), 1, -1) if int(digits[:end]) <= self.known), 1)
        self.position -= len(digits) - used
        return self.outside(f"(?:\\{digits[:used]})" if int(digits[:used]) <= self.known else NEVER)

    def backreference(self, matched: re.Match[str]) -> str:
        return f"(?P={matched[1]})"

    def control(self, matched: re.Match[str]) -> str:
        return regex.escape(chr(ord(matched[1]) ^ 64), special_only=False)

    def plain(self) -> str:
        """Translate a mark that is no escape."""
        mark = self.pattern[self.position]
        if self.depth:
            return self.in_class(mark)
        if mark == "{":
            return self.repeat()
        if mark == "(" and self.pattern.startswith("(?", self.position):
            return self.group()
        self.position += 1
        if mark == "(":
            self.opened(captures=True)
        elif mark == ")" and len(self.unicode) > 1:
            self.unicode.pop()
        self.depth += mark == "["
        return self.class_start() if mark == "[" else mark

    def class_start(self) -> str:
        """A class that begins with `]` or `^]` has that bracket as a member."""
        start = "["
        if self.pattern.startswith(":", self.position):
            self.position += 1
            return "[\\:"
        for mark in "^]":
            if self.pattern.startswith(mark, self.position):
                self.position += 1
                start += "\\]" if mark == "]" else mark
        return start

    def in_class(self, mark: str) -> str:
        self.position += 1
        if mark == "[":
            self.depth += 1
            return self.class_start()
        self.depth -= mark == "]"
        doubled = mark in "-~|" and self.pattern.startswith(mark, self.position)
        return "\\" + mark if doubled or mark in "~|" else mark

    def repeat(self) -> str:
        matched = REPEAT.match(self.pattern, self.position)
        if matched is None:
            raise WrongValue("a regular expression has a `{` that repeats nothing")
        return self.take(matched).group()

    def opened(self, *, captures: bool) -> None:
        """A group begins, under the flags around it."""
        self.unicode.append(self.unicode[-1])
        self.groups += captures

    def group(self) -> str:
        """Let Java's groups pass; flags it has and the package has not are left out."""
        if matched := GROUP.match(self.pattern, self.position):
            self.opened(captures=matched.group()[2] == "<" and matched.group()[3] not in "=!")
            return self.take(matched).group()
        matched = FLAGS.match(self.pattern, self.position)
        if matched is None:
            raise WrongValue("a regular expression has an unknown group")
        self.take(matched)
        if matched[3] == ":":
            self.opened(captures=False)
        self.unicode[-1] = ("U" in matched[1] or self.unicode[-1]) and "U" not in (matched[2] or "")
        on, off = (re.sub("[uUd]", "", one or "") for one in (matched[1], matched[2]))
        off = f"-{off}" if off else ""
        return f"(?{on}{off}{matched[3]}" if on or off or matched[3] == ":" else ""


ESCAPES: Final[tuple[tuple[re.Pattern[str], Callable[[Translator, re.Match[str]], str]], ...]] = (
    (QUOTED, Translator.quoted),
    (PROPERTY, Translator.property),
    (CODE_POINT, Translator.code_point),
    (BACKREFERENCE, Translator.backreference),
    (NUMBERED, Translator.numbered),
    (CONTROL, Translator.control),
)


@lru_cache(maxsize=512)
def compiled(pattern: str) -> "regex.Pattern[str]":
    """Compile a pattern in Java's notation."""
    try:
        check_size(pattern)
        return regex.compile(Translator(pattern).run(), regex.VERSION1)
    except PatternTooLarge as error:
        raise LimitExceeded(str(error)) from error
    except RecursionError as error:
        raise WrongValue(f"`{pattern[:60]}` is no regular expression: nested too deeply") from error
    except (regex.error, ValueError, OverflowError, IndexError, KeyError, TypeError) as error:
        raise WrongValue(f"`{pattern[:60]}` is no regular expression: {error}") from error


@contextmanager
def timed(run: Run) -> Generator[float]:
    """Give a match the seconds that are left for this rendering, and count what it took."""
    started = time.monotonic()
    if run.regex_seconds <= 0:
        raise run.matched_too_long()
    try:
        yield run.regex_seconds
    except TimeoutError as error:
        raise run.matched_too_long() from error
    finally:
        run.regex_seconds -= time.monotonic() - started


def fullmatch(pattern: str, text: str, seconds: float) -> bool:
    """Whether the whole text matches, outside of any rendering.

    Raises:
        TimeoutError: It takes longer than that.
        WrongValue, LimitExceeded: The pattern is none, or too large.
    """
    return compiled(pattern).fullmatch(text, timeout=seconds) is not None


def find(run: Run, pattern: str, text: str) -> "regex.Match[str] | None":
    """The first match anywhere in a text."""
    with timed(run) as seconds:
        return compiled(pattern).search(text, timeout=seconds)


def matches_all(run: Run, pattern: str, text: str) -> bool:
    """Whether a pattern matches a text as a whole."""
    with timed(run) as seconds:
        return compiled(pattern).fullmatch(text, timeout=seconds) is not None


def matches(run: Run, pattern: str, text: str) -> "list[regex.Match[str]]":
    """All matches."""
    found: list[regex.Match[str]] = []
    with timed(run) as seconds:
        expression, at, ends = compiled(pattern), 0, time.monotonic() + seconds
        while at <= len(text) and (one := expression.search(text, at, timeout=seconds)):
            run.spend(1)
            seconds = ends - time.monotonic()
            if seconds <= 0:
                raise TimeoutError
            found.append(one)
            at = one.end() + (one.start() == one.end())  # after an empty match Java moves on
    return found


def replace_all(run: Run, pattern: str, replacement: str, text: str) -> str:
    """Replace all matches; `$1` and `${name}` in the replacement are groups."""
    pieces: list[str] = []
    end = chars = 0
    for one in matches(run, pattern, text):
        piece = text[end : one.start()] + expanded(replacement, one)
        end, chars = one.end(), chars + len(piece)
        run.room_for(chars)
        pieces.append(piece)
    return "".join([*pieces, text[end:]])


def expanded(replacement: str, matched: "regex.Match[str]") -> str:
    """Fill the groups of one match into a replacement."""
    return REFERENCE.sub(lambda reference: referred(reference, matched), replacement)


def referred(reference: re.Match[str], matched: "regex.Match[str]") -> str:
    """What one reference in a replacement stands for."""
    literal, number, name = reference[1], reference[2], reference[3]
    if literal is not None:
        return literal
    if number is not None:
        return numbered(number, matched)
    if name is None or name not in matched.re.groupindex:
        raise WrongValue("a replacement has a `$` or `\\` that refers to no group")
    return matched[name] or ""


def numbered(digits: str, matched: "regex.Match[str]") -> str:
    """A group by number: as many digits as still name a group."""
    used = 1
    while used < len(digits) and int(digits[: used + 1]) <= matched.re.groups:
        used += 1
    if int(digits[:used]) > matched.re.groups:
        raise WrongValue(f"a replacement refers to group {digits[:used]}, which does not exist")
    return (matched[int(digits[:used])] or "") + digits[used:]


def split(run: Run, pattern: str, text: str, limit: int) -> list[str]:
    """Split at matches; without a limit trailing empty parts are dropped."""
    parts: list[str] = []
    end = 0
    for one in matches(run, pattern, text):
        if limit > 0 and len(parts) == limit - 1:
            break
        if one.end() == 0:
            continue
        parts.append(text[end : one.start()])
        end = one.end()
    parts.append(text[end:])
    while limit == 0 and len(parts) > 1 and not parts[-1]:
        parts.pop()
    return [] if limit == 0 and parts == [""] and text else parts
