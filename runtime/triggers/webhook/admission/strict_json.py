"""JSON without surprises: I-JSON (RFC 7493) with limits, and the place of the first mistake.

The C parser of the standard library decides what is JSON; one pass over the
tokens finds what it tolerates (duplicate keys, lone surrogates) and stops
deep nesting before anything recurses.
"""

import json
import math
import re
from typing import Any, NoReturn

DEPTH_MAX = 64
BYTES_MAX = 16 * 2**20
# Possessive, and an unclosed string is a token too: the scan stays linear on any text.
TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[{}\[\],:]', re.DOTALL)
INTEGER_DIGITS_MAX = 400


class JsonProblem(ValueError):
    """The body is not acceptable JSON. `line` and `column` count from 1, `offset` characters from 0."""

    def __init__(self, code: str, message: str, text: str, offset: int) -> None:
        self.code, self.offset = code, offset
        self.line = text.count("\n", 0, offset) + 1
        self.column = offset - text.rfind("\n", 0, offset)
        super().__init__(f"{message} (line {self.line}, column {self.column})")


def parse_strict(body: bytes, *, depth_max: int = DEPTH_MAX, bytes_max: int = BYTES_MAX) -> Any:
    """Return the value of a JSON text.

    Raises:
        JsonProblem: Not UTF-8, not JSON, duplicate keys, NaN or Infinity, a number
            beyond a double's range, lone surrogates, too deep or too large.
    """
    if len(body) > bytes_max:
        raise JsonProblem(
            "too-large", f"the body has {len(body)} bytes, at most {bytes_max} are parsed", "", 0
        )
    text = _decoded(body)
    _scan(text, depth_max)
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise JsonProblem("malformed", error.msg, text, error.pos) from error
    except _Unacceptable as error:
        found = re.search(re.escape(error.token), text)
        raise JsonProblem("number", str(error), text, found.start() if found else 0) from error
    except RecursionError as error:
        raise JsonProblem("too-deep", "nested too deeply", text, 0) from error


class _Unacceptable(ValueError):
    def __init__(self, token: str, message: str) -> None:
        self.token = token
        super().__init__(message)


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        before = body[: error.start].decode()
        raise JsonProblem("not-utf8", "the body is not UTF-8", before, len(before)) from error


def _no_constant(token: str) -> NoReturn:
    raise _Unacceptable(token, f"{token} is not JSON")


def _finite(token: str) -> float:
    value = float(token)
    if math.isinf(value):
        raise _Unacceptable(token, "a number is beyond the range of a double")
    return value


def _integer(token: str) -> int:
    if len(token) > INTEGER_DIGITS_MAX:
        raise _Unacceptable(token, f"a number has more than {INTEGER_DIGITS_MAX} digits")
    return int(token)


def _scan(text: str, depth_max: int) -> None:
    """Find duplicate keys, lone surrogates and deep nesting; other mistakes are the parser's."""
    keys: list[set[str] | None] = []  # a set for each open object, None for each open array
    at_key = False
    for found in TOKEN.finditer(text):
        token = found[0]
        if token in "{[":
            keys.append(set() if token == "{" else None)
            if len(keys) > depth_max:
                message = f"nested deeper than {depth_max} levels"
                raise JsonProblem("too-deep", message, text, found.start())
        elif token in "}]":
            if keys:
                keys.pop()
        elif token[0] == '"':
            value = _string(token, text, found.start())
            names = keys[-1] if at_key and keys else None
            if names is not None:
                if value in names:
                    message = f"the key {token[:64]} is there twice"
                    raise JsonProblem("duplicate-key", message, text, found.start())
                names.add(value)
        at_key = token == "{" or (token == "," and bool(keys) and keys[-1] is not None)


def _string(token: str, text: str, offset: int) -> str:
    if "\\" not in token:
        return token[1:-1]
    try:
        value: str = json.loads(token)
        value.encode()
    except json.JSONDecodeError:
        return token
    except UnicodeEncodeError as error:
        raise JsonProblem("lone-surrogate", "half a surrogate pair in a string", text, offset) from error
    return value
