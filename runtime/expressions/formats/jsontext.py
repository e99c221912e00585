"""Reading JSON the way a webhook body is read: big numbers stay exact, trailing text is ignored."""

import json
from typing import Final, NoReturn

from hookledger.runtime.expressions.errors import LimitExceeded, WrongValue
from hookledger.runtime.expressions.values import Value

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


def read_json(text: str) -> Value:
    """Read the first JSON value in a text."""
    start = len(text) - len(text.lstrip(" \t\r\n"))
    try:
        return DECODER.raw_decode(text, start)[0]
    except ValueError as error:
        raise WrongValue(f"this is not JSON: {error}") from error
    except RecursionError as error:
        raise LimitExceeded("JSON is nested too deep") from error
