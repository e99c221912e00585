"""The expression language of flows: compile a template once, render it as often as needed.

Owns the grammar, its meaning, and the filters, functions and tests. Knows nothing of flows, tasks or
journals: callers hand in variables, and an Ambient for whatever comes from outside.
"""

from hookledger.runtime.expressions.ambient import Ambient, Ports, Randomness
from hookledger.runtime.expressions.errors import (
    AmbientUnavailable,
    ExpressionError,
    ExpressionSyntaxError,
    LimitExceeded,
    MissingValue,
    Problem,
    WrongValue,
)
from hookledger.runtime.expressions.limits import Limits
from hookledger.runtime.expressions.template import Template, check, compile, render, render_value  # noqa: A004
from hookledger.runtime.expressions.truthy import truthy
from hookledger.runtime.expressions.values import CaseInsensitive

__all__ = [
    "Ambient",
    "AmbientUnavailable",
    "CaseInsensitive",
    "ExpressionError",
    "ExpressionSyntaxError",
    "LimitExceeded",
    "Limits",
    "MissingValue",
    "Ports",
    "Problem",
    "Randomness",
    "Template",
    "WrongValue",
    "check",
    "compile",
    "render",
    "render_value",
    "truthy",
]
