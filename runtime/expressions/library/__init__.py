"""Everything a template can name: filters, functions and tests, by theme.

Importing this package fills the three tables.
"""

from hookledger.runtime.expressions.library import (
    checks,
    collections,
    crypto,
    data,
    dates,
    hashing,
    holidays,
    numbers,
    outside,
    patterns,
    rendering,
    sequences,
    state,
    strings,
)
from hookledger.runtime.expressions.library.registry import FILTERS, FUNCTIONS, TESTS, Entry, Parameter, Table

THEMES = (
    checks,
    collections,
    crypto,
    data,
    dates,
    hashing,
    holidays,
    numbers,
    outside,
    patterns,
    rendering,
    sequences,
    state,
    strings,
)

__all__ = ["FILTERS", "FUNCTIONS", "TESTS", "THEMES", "Entry", "Parameter", "Table"]
