"""Which unquoted words of a flow are not text.

YAML 1.1 reads `no`, `on`, `12:30:45`, `0x1f` and `2024-01-01` as something else than what
authors of flows mean. Here the booleans and nulls are those of YAML 1.2's core schema (`true`,
`True`, `TRUE`, `null`, `~` ...), numbers are what JSON calls a number, and everything else is
text. So `no`, `007`, `+49123`, `1_000`, `.5` and `.inf` are text.
"""

import math
import re
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
"""YAML 1.2.2, section 10.3.2."""
INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
NUMBER_CHARS_MAX = 400  # every double fits; a longer one is an identifier in disguise

PREFIX = "tag:yaml.org,2002:"
TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "null": (type(None),),
}


class ScalarInvalid(ValueError):
    """A word that cannot be kept as the value it asks to be."""


def plain(word: str) -> Scalar:
    """Return what an unquoted word means."""
    if word in WORDS:
        return WORDS[word]
    if not DECIMAL.fullmatch(word):
        return text(word)
    if len(word) > NUMBER_CHARS_MAX:
        raise ScalarInvalid(f"a number of {len(word)} characters; put it in quotes to keep it as text")
    return int(word) if INTEGER.fullmatch(word) else _finite(word)


def _finite(word: str) -> float:
    if math.isinf(value := float(word)):
        raise ScalarInvalid("a number too large to keep; put it in quotes to keep it as text")
    return value


def text(word: str) -> str:
    r"""Join the halves of characters that were escaped the JSON way (`\ud83d\ude00`)."""
    try:
        return word if word.isascii() else word.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise ScalarInvalid("half of a surrogate pair is not a character; remove the escape") from None


def tagged(word: str, tag: str, *, unquoted: bool) -> Scalar:
    """Return what a word with an explicit tag means; only the scalar tags of YAML are known."""
    name = tag.removeprefix(PREFIX)
    if name == "str":
        return text(word)
    if name not in TYPES:
        raise ScalarInvalid(unknown_tag(tag))
    value = plain(word) if unquoted else text(word)
    if type(value) not in TYPES[name]:
        raise ScalarInvalid(
            f"the tag `!!{name}` does not fit this value; remove the tag, or correct the value"
        )
    return _finite(word) if name == "float" else value


def unknown_tag(tag: str) -> str:
    shown = "!!" + tag.removeprefix(PREFIX) if tag.startswith(PREFIX) else tag
    return f"the tag `{shown[:60]}` is not supported; remove it, or quote the text if it begins with `!`"
