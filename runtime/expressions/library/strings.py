"""Filters on text."""

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote_plus, unquote_plus

from hookledger.runtime.expressions.errors import WrongValue
from hookledger.runtime.expressions.formats.javaformat import format_text
from hookledger.runtime.expressions.formats.javaregex import replace_all
from hookledger.runtime.expressions.library.arguments import boolean_of, integer_of, map_of, text_of
from hookledger.runtime.expressions.library.checks import CONTROL_AND_SPACE, empty
from hookledger.runtime.expressions.library.registry import FILTERS
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.text import string_of
from hookledger.runtime.expressions.values import MISSING, Value, entries, is_list, is_map, made

ELLIPSIS: Final = "..."


@FILTERS("upper")
def upper(run: Run, value: Value) -> Value:
    """Upper case; anything is written as text first."""
    return None if value is None else string_of(run, value).upper()


@FILTERS("lower")
def lower(run: Run, value: Value) -> Value:
    """Lower case; anything is written as text first."""
    return None if value is None else string_of(run, value).lower()


@FILTERS("capitalize")
def capitalize(_run: Run, value: Value) -> Value:
    """Only the first letter changes."""
    if value is None:
        return None
    text = text_of(value, "`capitalize`")
    start = len(text) - len(text.lstrip())
    return text[:start] + title_letter(text[start : start + 1]) + text[start + 1 :]


@FILTERS("title")
def title(run: Run, value: Value) -> Value:
    """Every letter after whitespace becomes upper case, the others stay."""
    if value is None:
        return None
    text = run.letters(text_of(value, "`title`"))
    return re.sub(r"(?:(?<=\s)|^)\S", lambda matched: title_letter(matched.group()), text)


def title_letter(letter: str) -> str:
    """One letter in title case; those that would become two stay as they are."""
    changed = letter.title()
    return changed if len(changed) == 1 else letter


@FILTERS("trim")
def trim(_run: Run, value: Value) -> Value:
    """Without spaces and control characters at both ends."""
    return None if value is None else text_of(value, "`trim`").strip(CONTROL_AND_SPACE)


@FILTERS("abbreviate", "length")
def abbreviate(_run: Run, value: Value, length: Value) -> Value:
    """Shorten text that is as long as the limit or longer."""
    if value is None:
        return None
    text, limit = text_of(value, "`abbreviate`"), integer_of(length, "the length of `abbreviate`")
    if limit < 0:
        raise WrongValue("the length of `abbreviate` is negative")
    if len(text) < limit or len(text) <= len(ELLIPSIS):
        return text
    return text[:limit] if limit <= len(ELLIPSIS) else text[: limit - len(ELLIPSIS)] + ELLIPSIS


@FILTERS("default", "default?")
def default(run: Run, value: Value, fallback: Value = None) -> Value:
    """The fallback for anything missing, null, empty or blank."""
    return fallback if value is MISSING or empty(run, value) else value


@FILTERS("replace", "replace_pairs", "regexp?")
def replace(run: Run, value: Value, pairs: Value, regexp: Value = None) -> Value:
    """Replace texts, or regular expressions, everywhere in a text, list or map."""
    if value is None:
        return None
    table = {string_of(run, key): string_of(run, one) for key, one in map_of(pairs, "`replace`").items()}
    by_pattern = regexp is not None and boolean_of(regexp, "`regexp`")
    change = replace_patterns if by_pattern else replace_texts
    return each_text(run, value, lambda text: change(run, text, table))


def replace_texts(run: Run, text: str, table: Mapping[str, str]) -> str:
    """Replace one pair after the other: a later one also finds what an earlier one has put in."""
    for old, new in table.items():
        run.room_for(len(text) + text.count(old) * max(0, len(new) - len(old)))
        text = text.replace(old, new)
    return text


def replace_patterns(run: Run, text: str, table: Mapping[str, str]) -> str:
    """Replace by one regular expression after the other."""
    for pattern, replacement in table.items():
        text = replace_all(run, pattern, replacement, text)
    return text


def each_text(run: Run, value: Value, change: Callable[[str], str]) -> Value:
    """Apply a change to every value of a tree, written as text."""
    run.charge(value)
    if is_map(value):
        return made({key: each_text(run, one, change) for key, one in entries(value).items()})
    if is_list(value):
        return [each_text(run, one, change) for one in value]
    return None if value is None else change(string_of(run, value))


ESCAPES: Final[Mapping[str, tuple[str, str]]] = {
    "single": ("'", "\\'"),
    "double": ('"', '\\"'),
    "shell": ("'", "'\\''"),
}


@FILTERS("escapeChar", "type")
def escape_char(run: Run, value: Value, kind_of_quote: Value) -> Value:
    """Escape quotes in a text, list or map."""
    if value is None:
        return None
    name = text_of(kind_of_quote, "the type of `escapeChar`").lower()
    if name not in ESCAPES:
        raise WrongValue("the type of `escapeChar` is one of single, double and shell")
    return each_text(run, value, lambda text: text.replace(*ESCAPES[name]))


@FILTERS("indent", "amount", "prefix?")
def indent(run: Run, value: Value, amount: Value, prefix: Value = None) -> Value:
    """Indent every line but the first."""
    return indented(run, value, amount, prefix, fresh=False)


@FILTERS("nindent", "amount", "prefix?")
def nindent(run: Run, value: Value, amount: Value, prefix: Value = None) -> Value:
    """Start with a new line, and indent every line."""
    return indented(run, value, amount, prefix, fresh=True)


def indented(run: Run, value: Value, amount: Value, prefix: Value, *, fresh: bool) -> Value:
    """Indent lines; blank lines too."""
    if value is None:
        return None
    text = string_of(run, value)
    if not text:
        return text
    count = integer_of(amount, "the amount of `indent`")
    if count < 0:
        raise WrongValue("the amount of `indent` is negative")
    unit = " " if prefix is None else text_of(prefix, "the prefix of `indent`")
    end = next((one for one in ("\r\n", "\n\r", "\n", "\r") if one in text), "\n")
    run.room_for(len(text) + (text.count(end) + 1) * (len(unit) * count + len(end)))
    return ((end if fresh else "") + text).replace(end, end + unit * count)


@FILTERS("slugify")
def slugify(run: Run, value: Value) -> Value:
    """Lower-case ASCII words joined with dashes."""
    if value is None:
        return None
    text = re.sub(r"[ \t\n\v\f\r]", "-", run.letters(string_of(run, value)))
    text = re.sub(r"[^A-Za-z0-9_-]", "", unicodedata.normalize("NFD", text))
    text = re.sub(r"-{2,}", "-", text.replace("_", "-"))
    return text.removeprefix("-").removesuffix("-").lower()


@FILTERS("urlencode")
def urlencode(run: Run, value: Value) -> Value:
    """Encode as in a form: a space becomes `+`."""
    if value is None:
        return None
    encoded = quote_plus(run.letters(text_of(value, "`urlencode`")), safe="*", errors="replace")
    return encoded.replace("~", "%7E")


@FILTERS("urldecode")
def urldecode(run: Run, value: Value) -> Value:
    """Decode what a form encodes."""
    if value is None:
        return None
    text = run.letters(text_of(value, "`urldecode`"))
    if re.search(r"%(?![0-9a-fA-F]{2})", text):
        raise WrongValue("a `%` is not followed by two hexadecimal digits")
    return unquote_plus(text, errors="replace")


@FILTERS("base64encode")
def base64encode(run: Run, value: Value) -> Value:
    """The Base64 of the text in UTF-8; anything is written as text first."""
    if value is None:
        return None
    return base64.b64encode(string_of(run, value).encode("utf-8", "replace")).decode()


@FILTERS("base64decode")
def base64decode(_run: Run, value: Value) -> Value:
    """The text whose Base64 this is."""
    if value is None:
        return None
    text = text_of(value, "`base64decode`")
    try:
        padded = text if "=" in text else text + "=" * (-len(text) % 4)
        return base64.b64decode(padded, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError) as error:
        raise WrongValue("this is not Base64") from error


@FILTERS("substringBefore", "separator")
def substring_before(run: Run, value: Value, separator: Value) -> Value:
    """What stands before the first separator, or everything."""
    return cut(run, value, separator, lambda text, mark: text.partition(mark)[0] if mark else "")


@FILTERS("substringAfter", "separator")
def substring_after(run: Run, value: Value, separator: Value) -> Value:
    """What stands after the first separator, or nothing."""
    return cut(run, value, separator, lambda text, mark: text.partition(mark)[2] if mark else text)


@FILTERS("substringBeforeLast", "separator")
def substring_before_last(run: Run, value: Value, separator: Value) -> Value:
    """What stands before the last separator, or everything."""
    return cut(
        run, value, separator, lambda text, mark: text.rpartition(mark)[0] if mark and mark in text else text
    )


@FILTERS("substringAfterLast", "separator")
def substring_after_last(run: Run, value: Value, separator: Value) -> Value:
    """What stands after the last separator, or nothing."""
    return cut(
        run, value, separator, lambda text, mark: text.rpartition(mark)[2] if mark and mark in text else ""
    )


def cut(run: Run, value: Value, separator: Value, pick: Callable[[str, str], str]) -> Value:
    """Cut a text at a separator; null is found nowhere, and empty text at the beginning or the end."""
    if value is None:
        return None
    mark = NOWHERE if separator is None else text_of(separator, "the separator")
    text = string_of(run, value)
    return pick(text, mark)


NOWHERE: Final = "\ud800"  # half a character: no text has it


@FILTERS("startsWith", "value")
def starts_with(run: Run, value: Value, wanted: Value) -> bool:
    """Whether a text begins with another; null begins with nothing."""
    return value is not None and string_of(run, value).startswith(not_null(run, wanted, "startsWith"))


@FILTERS("endsWith", "value")
def ends_with(run: Run, value: Value, wanted: Value) -> bool:
    """Whether a text ends with another; null ends with nothing."""
    return value is not None and string_of(run, value).endswith(not_null(run, wanted, "endsWith"))


def not_null(run: Run, value: Value, name: str) -> str:
    """A value as text, but not null."""
    if value is None:
        raise WrongValue(f"`{name}` cannot look for null")
    return string_of(run, value)


@FILTERS("string")
def string(run: Run, value: Value) -> Value:
    """Anything as text; null stays null."""
    return None if value is None else string_of(run, value)


@FILTERS("format", "*")
def format_(run: Run, value: Value, *values: Value) -> Value:
    """Values filled into a format string such as `%5.2f`."""
    return None if value is None else format_text(run, string_of(run, value), values)


@FILTERS("nl2br")
def nl2br(run: Run, value: Value) -> Value:
    """Line ends as `<br />`."""
    if value is None:
        return None
    text = text_of(value, "`nl2br`")
    run.room_for(len(text) + 6 * (text.count("\n") + text.count("\r")))
    return re.sub(r"\r\n|\n|\r", "<br />", text)


@FILTERS("condense")
def condense(_run: Run, value: Value) -> Value:
    """Without line feeds."""
    return None if value is None else text_of(value, "`condense`").replace("\n", "")
