"""jq's functions on text, its regular expressions and its formats."""

import base64
import binascii
import json
import math
import re
import time
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote

import regex

from hookledger.runtime.expressions.errors import LimitExceeded, WrongValue
from hookledger.runtime.expressions.formats.javaregex import timed
from hookledger.runtime.expressions.formats.jq.access import is_number
from hookledger.runtime.expressions.formats.jq.core import (
    Env,
    fail,
    is_array,
    is_object,
    number,
    one_argument,
    shown,
    two_arguments,
    type_of,
)
from hookledger.runtime.expressions.formats.jq.operators import split_text
from hookledger.runtime.expressions.formats.jsontext import read_json
from hookledger.runtime.expressions.values import Value
from hookledger.runtime.regexes import PatternTooLarge, check_size


def need_text(env: Env, value: Value, what: str) -> str:
    """Require text."""
    if not isinstance(value, str):
        raise fail(f"{type_of(value)} ({shown(env, value)}) cannot be {what}, as it is not a string")
    env.run.spend(1 + (len(value) >> 8))
    return value


def plain_number(value: float) -> str:
    """A number as jq writes it."""
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return "null"
    if math.isinf(value):
        return "1.7976931348623157e+308" if value > 0 else "-1.7976931348623157e+308"
    return str(int(value)) if value.is_integer() and abs(value) < 1e17 else repr(value)


def tojson(env: Env, value: Value) -> str:
    """JSON text, null entries included."""
    env.run.spend(1)
    if is_object(value):
        parts = [f"{json.dumps(key, ensure_ascii=False)}:{tojson(env, one)}" for key, one in value.items()]
        env.run.room_for(sum(map(len, parts)))
        return "{" + ",".join(parts) + "}"
    if is_array(value):
        parts = [tojson(env, one) for one in value]
        env.run.room_for(sum(map(len, parts)))
        return "[" + ",".join(parts) + "]"
    return plain_number(value) if is_number(value) else json.dumps(value, ensure_ascii=False)


def tostring(env: Env, value: Value) -> str:
    """Text as it is, everything else as JSON."""
    return value if isinstance(value, str) else tojson(env, value)


def tonumber(env: Env, value: Value) -> Value:
    """A number, or text that is one."""
    if is_number(value):
        return value
    text = need_text(env, value, "parsed as a number")
    if re.fullmatch(r"\s*-?\d{1,18}\s*", text, re.ASCII):
        return int(text)
    if len(text) < 400 and re.fullmatch(r"\s*-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", text, re.ASCII):
        return number(float(text))
    raise fail(f"Cannot parse '{text[:40]}' as a number")


def fromjson(env: Env, value: Value) -> Value:
    """The value a JSON text holds."""
    try:
        return read_json(need_text(env, value, "parsed"))
    except WrongValue as error:
        raise fail(f"{shown(env, value)} is not JSON") from error


def character(code: float) -> str:
    """The character of a code point; a replacement where there is none."""
    whole = 0 <= code < 0xD800 or 0xDFFF < code < 0x110000
    return chr(int(code)) if whole else "\ufffd"


def implode(env: Env, value: Value) -> str:
    """Text from code points."""
    if not is_array(value) or not all(is_number(one) for one in value):
        raise fail("implode input must be an array of numbers")
    return "".join(character(one) for one in value)


def split(env: Env, value: Value, mark: Value) -> Value:
    """Parts between marks."""
    return split_text(need_text(env, value, "split"), need_text(env, mark, "split by"))


def trimmer(trim: Callable[[str, str], str]) -> Callable[..., Value]:
    """`ltrimstr` and `rtrimstr` leave alone what they cannot trim."""
    return two_arguments(
        lambda _env, value, mark: (
            trim(value, mark) if isinstance(value, str) and isinstance(mark, str) else value
        )
    )


def changed(what: str, change: Callable[[str], Value]) -> Callable[..., Value]:
    """A function of the input's text."""
    return one_argument(lambda env, value: change(need_text(env, value, what)))


def begins(what: str, test: Callable[[str, str], bool]) -> Callable[..., bool]:
    """`startswith` and `endswith`."""

    def run(_env: Env, value: Value, other: Value) -> bool:
        if not isinstance(value, str) or not isinstance(other, str):
            raise fail(f"{what}() requires string inputs")
        return test(value, other)

    return run


def indices(env: Env, value: Value, wanted: Value) -> Value:
    """Everywhere a part is found."""
    if value is None:
        return None
    env.run.spend(1 + (len(value) >> 3))
    if isinstance(value, str) and isinstance(wanted, str):
        return [one.start() for one in re.finditer(f"(?={re.escape(wanted)})", value)] if wanted else None
    if not is_array(value):
        raise fail(f"Cannot determine indices of {type_of(value)}")
    part = wanted if is_array(wanted) else [wanted]
    width = len(part)
    return [at for at in range(len(value) - width + 1) if value[at : at + width] == part] if width else None


def index(env: Env, value: Value, wanted: Value) -> Value:
    found = indices(env, value, wanted)
    return found[0] if found else None


def rindex(env: Env, value: Value, wanted: Value) -> Value:
    found = indices(env, value, wanted)
    return found[-1] if found else None


FLAGS: Final = {
    "x": regex.VERBOSE,
    "i": regex.IGNORECASE,
    "s": regex.DOTALL,
    "g": 0,
    "n": 0,
    "l": 0,
    "p": regex.DOTALL,
}


def found_in(env: Env, text: str, pattern: Value, flags: Value) -> "list[regex.Match[str]]":
    """The matches of a regular expression; all of them with the flag g."""
    marks = need_text(env, flags, "used as flags") if flags is not None else ""
    if any(one not in FLAGS for one in marks):
        raise fail(f"{marks} is not a valid modifier string")
    source = need_text(env, pattern, "matched")
    try:
        check_size(source)
        bits = sum(FLAGS[one] for one in set(marks) - ({"p"} if "s" in marks else set()))
        expression = regex.compile(source, regex.VERSION0 | bits)
    except PatternTooLarge as error:
        raise LimitExceeded(str(error)) from error
    except (regex.error, ValueError, OverflowError, RecursionError) as error:
        raise fail(f"{source[:40]} (at offset 0) is not a valid regex: {error}") from error
    return limited(env, expression, text, everything="g" in marks, skip_empty="n" in marks)


def limited(
    env: Env, expression: "regex.Pattern[str]", text: str, *, everything: bool, skip_empty: bool
) -> "list[regex.Match[str]]":
    """Match within the time that is left."""
    results: list[regex.Match[str]] = []
    with timed(env.run) as seconds:
        ends = time.monotonic() + seconds
        for one in expression.finditer(text, timeout=seconds):
            env.run.spend(1)
            if time.monotonic() > ends:
                raise TimeoutError
            if one.group() or not skip_empty:
                results.append(one)
                if not everything:
                    break
    return results


def regex_arguments(pattern: Value, flags: Value) -> tuple[Value, Value]:
    """Pattern and flags may come as one list."""
    if is_array(pattern):
        return pattern[0] if pattern else None, pattern[1] if len(pattern) > 1 else flags
    return pattern, flags


def match_list(env: Env, value: Value, pattern: Value, flags: Value = None) -> "list[regex.Match[str]]":
    """The matches in the input."""
    pattern, flags = regex_arguments(pattern, flags)
    return found_in(env, need_text(env, value, "matched"), pattern, flags)


def described(matched: "regex.Match[str]") -> dict[str, Value]:
    """A match as jq describes it."""
    names = {number_: name for name, number_ in matched.re.groupindex.items()}
    captures = [
        {
            "offset": matched.start(one),
            "length": max(0, matched.end(one) - matched.start(one)),
            "string": matched[one],
            "name": names.get(one),
        }
        for one in range(1, matched.re.groups + 1)
    ]
    return {
        "offset": matched.start(),
        "length": matched.end() - matched.start(),
        "string": matched.group(),
        "captures": captures,
    }


def captured(matched: "regex.Match[str]") -> dict[str, Value]:
    """The named groups of a match."""
    return dict(matched.groupdict())


def scanned(matched: "regex.Match[str]") -> Value:
    """The match, or its groups if it has any."""
    return list(matched.groups()) if matched.re.groups else matched.group()


def split_by_pattern(env: Env, value: Value, pattern: Value, flags: Value) -> list[str]:
    """Parts between matches."""
    text, end, parts = need_text(env, value, "split"), 0, list[str]()
    marks = "g" + (flags if isinstance(flags, str) else "")
    for one in found_in(env, text, pattern, marks):
        parts.append(text[end : one.start()])
        end = one.end()
    return [*parts, text[end:]]


def csv_cell(env: Env, value: Value) -> str:
    if isinstance(value, (list, dict)):
        raise fail(f"{type_of(value)} ({shown(env, value)}) is not valid in a csv row")
    return '"' + value.replace('"', '""') + '"' if isinstance(value, str) else row_cell(env, value)


def row_cell(env: Env, value: Value) -> str:
    return "" if value is None else tostring(env, value)


TSV: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
HTML: Final = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;", "'": "&#39;", '"': "&quot;"})


def row(separator: str, cell: Callable[[Env, Value], str]) -> Callable[[Env, Value], str]:
    """`@csv` and `@tsv`."""

    def run(env: Env, value: Value) -> str:
        if not is_array(value):
            raise fail(f"{type_of(value)} ({shown(env, value)}) cannot be formatted, only an array can be")
        return separator.join(cell(env, one) for one in value)

    return run


def shell(env: Env, value: Value) -> str:
    """Quoted for a shell."""
    parts = value if is_array(value) else [value]
    return " ".join(shell_word(env, one) for one in parts)


def shell_word(env: Env, value: Value) -> str:
    if isinstance(value, (list, dict)):
        raise fail(f"{type_of(value)} ({shown(env, value)}) can not be escaped for shell")
    return "'" + value.replace("'", "'\\''") + "'" if isinstance(value, str) else tojson(env, value)


def decoded(env: Env, value: Value, decode: Callable[[str], bytes], what: str) -> str:
    text = tostring(env, value)
    try:
        return decode(text).decode("utf-8", "replace")
    except (binascii.Error, ValueError) as error:
        raise fail(f"{type_of(value)} ({shown(env, value)}) is not valid {what} data") from error


def base64_decoded(env: Env, value: Value) -> str:
    return decoded(
        env,
        value,
        lambda text: base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True),
        "base64",
    )


def base32_decoded(env: Env, value: Value) -> str:
    return decoded(env, value, base64.b32decode, "base32")


FORMATS: Final[Mapping[str, Callable[[Env, Value], str]]] = {
    "@text": tostring,
    "@json": tojson,
    "@html": lambda env, value: tostring(env, value).translate(HTML),
    "@uri": lambda env, value: quote(tostring(env, value), safe="~", errors="replace"),
    "@csv": row(",", csv_cell),
    "@tsv": row("\t", lambda env, value: row_cell(env, value).translate(TSV)),
    "@sh": shell,
    "@base64": lambda env, value: base64.b64encode(tostring(env, value).encode("utf-8", "replace")).decode(),
    "@base64d": base64_decoded,
    "@base32": lambda env, value: base64.b32encode(tostring(env, value).encode("utf-8", "replace")).decode(),
    "@base32d": base32_decoded,
}
SPACES: Final = " \t\n\r\f\v"
PLAIN: Final[Mapping[str, Callable[..., Value]]] = {
    "tostring/0": tostring,
    "tojson/0": tojson,
    "tonumber/0": tonumber,
    "fromjson/0": fromjson,
    "utf8bytelength/0": changed("measured", lambda text: len(text.encode("utf-8", "replace"))),
    "explode/0": changed("exploded", lambda text: [ord(one) for one in text]),
    "implode/0": implode,
    "ascii_downcase/0": changed(
        "changed", lambda text: re.sub("[A-Z]+", lambda one: one.group().lower(), text)
    ),
    "ascii_upcase/0": changed(
        "changed", lambda text: re.sub("[a-z]+", lambda one: one.group().upper(), text)
    ),
    "trim/0": changed("trimmed", lambda text: text.strip(SPACES)),
    "ltrim/0": changed("trimmed", lambda text: text.lstrip(SPACES)),
    "rtrim/0": changed("trimmed", lambda text: text.rstrip(SPACES)),
    "split/1": split,
    "split/2": split_by_pattern,
    "ltrimstr/1": trimmer(str.removeprefix),
    "rtrimstr/1": trimmer(str.removesuffix),
    "startswith/1": begins("startswith", str.startswith),
    "endswith/1": begins("endswith", str.endswith),
    "indices/1": indices,
    "_indices/1": indices,
    "index/1": index,
    "rindex/1": rindex,
    "test/1": lambda *arguments: bool(match_list(*arguments)),
    "test/2": lambda *arguments: bool(match_list(*arguments)),
}
