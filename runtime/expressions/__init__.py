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
from hookledger.runtime.expressions.template import (
    Review,
    Template,
    check,
    compile,  # noqa: A004
    render,
    render_value,
    review,
)
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
    "Review",
    "Template",
    "WrongValue",
    "check",
    "compile",
    "render",
    "render_value",
    "review",
    "truthy",
]
