"""Random templates, rendered here and by a running engine; run by hand, never by the suite.

    python tests/fuzz/compare_expressions.py SEED COUNT http://127.0.0.1:8720/oracle/render

The address answers a POST of `{"template", "variables"}` with `{"text"}`, or with an error. Two errors count as equal,
and so do maps in another order. The same seed gives the same templates again. What docs/expressions.md lists under
Differences is expected to show; anything else is a finding.
"""

import json
import random
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from hookledger.runtime.expressions import ExpressionError, render
from hookledger.runtime.expressions.library import FILTERS, TESTS

VARIABLES: dict[str, Any] = {
    "body": {"id": "A-17", "total": 19.5, "count": "3", "tags": ["new", "vip"], "user": {"name": "Ada"}},
    "at": 1940922303120,
    "day": "2031-07-04T09:05:03.120Z",
    "text": "Hello, World",
    "num": "7.5",
    "flag": True,
    "words": ["b", "a", "c"],
    "empty": "",
    "t": "{{ num }}",
}
ATOMS = (
    *(
        "body",
        "body.id",
        "body.total",
        "body.count",
        "body.tags",
        "body.user",
        "body.ghost",
        "at",
        "day",
        "text",
    ),
    *("num", "flag", "words", "empty", "ghost", "null", "true", "false", "1", "0", "-2", "2.5", "'a'", "'5'"),
    *("['x', 'y']", "{'k': 'v'}", "[]", "{}", "words[0]", "words.first", "body['id']", "text.length"),
)
OPERATORS = (
    "+",
    "-",
    "*",
    "/",
    "%",
    "~",
    "==",
    "!=",
    "<",
    ">=",
    "??",
    "???",
    "and",
    "or",
    "contains",
    "isIn",
    "..",
)
ARGUMENTS = (
    "",
    "",
    "('a')",
    "(2)",
    "(1, 2)",
    "('yyyy-MM-dd')",
    "({'a': 'b'})",
    "(',')",
    "(null)",
    "('0.00')",
)
# Draw from outside, are unknown to an engine, or print what depends on the machine.
LEFT_OUT = frozenset({"className", "condense", "jsonEncode", "json", "jq"})


class Templates:
    """Makes templates of one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.filters = sorted(set(FILTERS) - LEFT_OUT)
        self.tests = sorted(TESTS)

    def expression(self, depth: int) -> str:
        """An expression up to a depth."""
        if depth <= 0 or self.random.random() < 0.2:
            return self.random.choice(ATOMS)
        return self.random.choice(self.shapes())(depth - 1)

    def shapes(self) -> tuple[Callable[[int], str], ...]:
        """The ways to make a larger expression of smaller ones."""
        pick, inner = self.random.choice, self.expression
        return (
            lambda depth: f"{inner(depth)} {pick(OPERATORS)} {inner(depth)}",
            lambda depth: f"({inner(depth)}) {pick(OPERATORS)} ({inner(depth)})",
            lambda depth: f"{inner(depth)} | {pick(self.filters)}{pick(ARGUMENTS)}",
            lambda depth: f"({inner(depth)}) | {pick(self.filters)}{pick(ARGUMENTS)}",
            lambda depth: f"({inner(depth)}) is {pick(('', 'not '))}{pick(self.tests)}",
            lambda depth: f"{pick(('not ', '-', '+'))}({inner(depth)})",
            lambda depth: f"({inner(depth)}) ? {inner(depth)} : {inner(depth)}",
            lambda depth: f"[{inner(depth)}, {inner(depth)}]",
            lambda depth: f"{pick(('max', 'min', 'range'))}({inner(depth)}, {inner(depth)})",
        )

    def template(self) -> str:
        """A template: mostly one expression, at times with tags around it."""
        one = self.expression(3)
        return self.random.choice(
            (
                *(4 * (f"{{{{ {one} }}}}",)),
                f"{{% for e in {one} %}}{{{{ e }}}};{{% else %}}none{{% endfor %}}",
                f"{{% if {one} %}}yes{{% else %}}no{{% endif %}}",
                f"{{% set x = {one} %}}[{{{{ x ?? 'none' }}}}]",
            )
        )


def asked(address: str, template: str) -> str | None:
    """What an engine gives; None when it fails."""
    data = json.dumps({"template": template, "variables": VARIABLES}).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer).get("text")  # type: ignore[no-any-return]
    except urllib.error.HTTPError:
        return None


def ours(template: str) -> str | None:
    """What we give; None when it is an error."""
    try:
        return render(template, VARIABLES)
    except ExpressionError:
        return None


def main(seed: int, count: int, address: str) -> None:
    """Print every template with two answers, and how many there were."""
    templates, different = Templates(seed), 0
    for _ in range(count):
        template = templates.template()
        theirs, mine = asked(address, template), ours(template)
        if theirs != mine and (theirs is None or mine is None or sorted(theirs) != sorted(mine)):
            different += 1
            print(f"{template}\n    engine {theirs!r:.150}\n    ours   {mine!r:.150}")
    print(f"seed {seed}: {different} of {count} differ")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
