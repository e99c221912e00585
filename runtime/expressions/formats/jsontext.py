"""Reading JSON the way a webhook body is read: big numbers stay exact, trailing text is ignored."""

import json
from typing import Final, NoReturn

from hookledger.runtime.expressions.errors import LimitExceeded, WrongValue
from hookledger.runtime.expressions.values import Value, is_list, is_map, made

DIGITS_MAX: Final = 1000


def read_integer(digits: str) -> int:
    """Read a whole number of any length one would write by hand."""
    if len(digits) > DIGITS_MAX:
        raise LimitExceeded(f"a number in JSON has more than {DIGITS_MAX} digits")
    return int(digits)


def refuse_constant(name: str) -> NoReturn:
    """NaN and Infinity are no JSON."""
    raise WrongValue(f"`{name}` is not JSON")


DECODER: Final = json.JSONDecoder(parse_int=read_integer, parse_constant=refuse_constant)

KEEPING: Final = json.JSONDecoder(
    parse_int=read_integer,
    parse_constant=refuse_constant,
    object_pairs_hook=lambda pairs: made(dict(pairs)),
)


def whole_characters(value: Value) -> Value:
    """Replace halves of characters that JSON can escape but no text can hold."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if is_map(value):
        return made({whole_characters(key): whole_characters(one) for key, one in value.items()})
    return [whole_characters(one) for one in value] if is_list(value) else value


def check_end(text: str, end: int, value: Value) -> None:
    """Refuse what is glued to a number or a word, such as the rest of a date; elsewhere the rest is ignored."""
    after = text[end : end + 1]
    if value is None or isinstance(value, bool):
        glued = after.isalnum() or after in ("_", "$")
    else:
        glued = isinstance(value, (int, float)) and after not in ("", " ", "\t", "\r", "\n")
    if glued:
        raise WrongValue(f"this is not JSON: {after!r} follows at character {end + 1}")


def read_json(text: str, *, nulls: bool = False) -> Value:
    """Read the first JSON value in a text; with `nulls` a template sees the null entries of its maps."""
    decoder = KEEPING if nulls and "null" in text else DECODER
    start = len(text) - len(text.lstrip(" \t\r\n"))
    try:
        value, end = decoder.raw_decode(text, start)
        check_end(text, end, value)
        return whole_characters(value) if "\\ud" in text.lower() else value
    except ValueError as error:
        raise WrongValue(f"this is not JSON: {error}") from error
    except RecursionError as error:
        raise LimitExceeded("JSON is nested too deep") from error
