"""Digests of text, in lower-case hexadecimal digits."""

import hashlib
from collections.abc import Callable
from typing import Final

from hookledger.runtime.expressions.library.arguments import text_of
from hookledger.runtime.expressions.library.registry import FILTERS
from hookledger.runtime.expressions.run import Run
from hookledger.runtime.expressions.values import Value

ALGORITHMS: Final = ("md5", "sha1", "sha256", "sha512")


def digest(name: str) -> Callable[[Run, Value], Value]:
    """The filter for one algorithm."""

    def apply(_run: Run, value: Value) -> Value:
        if value is None:
            return None
        data = text_of(value, f"`{name}`").encode("utf-8", "replace")
        return hashlib.new(name, data, usedforsecurity=False).hexdigest()

    apply.__doc__ = f"The {name} of the text in UTF-8."
    return apply


for algorithm in ALGORITHMS:
    FILTERS(algorithm)(digest(algorithm))
