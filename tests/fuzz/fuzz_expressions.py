"""Coverage-guided fuzzing of templates; run by hand, never by the suite.

    pip install atheris
    python tests/fuzz/fuzz_expressions.py -max_total_time=600 -dict=tests/fuzz/expressions.dict CORPUS_DIRECTORY

Anything but an ExpressionError that comes out is a finding, and so is an ExpressionError that only says
that something could not be computed: that is the net under the known cases, and a finding names the missing case.
"""

import sys
from typing import Any

import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]  # pyright: ignore[reportMissingImports]

with atheris.instrument_imports(include=["hookledger.runtime.expressions"]):  # pyright: ignore
    from hookledger.runtime.expressions import ExpressionError, Limits, check
    from hookledger.runtime.expressions.template import Template

VARIABLES: dict[str, Any] = {
    "a": {"b": [1, 2.5, None, True, "x"], "c": {"d": "e"}},
    "l": ["b", "a", "b"],
    "n": 3,
    "f": -1.5,
    "s": "Hello, World 2031-07-04",
    "z": None,
    "d": "2031-07-04T09:05:03.120Z",
    "t": "{{ n }}",
}
LIMITS = Limits(steps_max=20_000, text_chars_max=100_000, items_max=10_000, regex_seconds_max=0.05)
NET = ("this cannot be computed", "too deep or too large")


def once(data: bytes) -> None:
    """Compile and render one input."""
    template = data.decode("utf-8", "replace")
    check(template)
    try:
        text = Template(template).render(VARIABLES, limits=LIMITS)
    except ExpressionError as error:
        cause = error.__cause__
        if any(one in error.message for one in NET) and not isinstance(cause, (RecursionError, MemoryError)):
            raise RuntimeError(f"the net caught {cause!r}") from error
        return
    if " object at 0x" in text or "<class " in text or "<function " in text:
        raise RuntimeError(f"a foreign object shows: {text[:200]!r}")


if __name__ == "__main__":
    atheris.Setup(sys.argv, once)  # pyright: ignore
    atheris.Fuzz()  # pyright: ignore
