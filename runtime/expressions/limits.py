"""How much one rendering may do.

The numbers bound time and memory by counting work, not by a clock, so that the same
template with the same values fails or succeeds the same way on every machine. Regular
expressions need a clock: a single match cannot be counted from outside. The clock of the processor is a
second line of defence, far behind the count: rendering happens on the event loop.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Upper bounds for one rendering, nested `render()` calls included."""

    steps_max: int = 200_000  # iterations, calls, visited list elements, kilobytes of text
    text_chars_max: int = 32 * 1024 * 1024  # of any text made on the way, and of the output
    made_chars_max: int = 128 * 1024 * 1024  # of all texts made on the way together
    items_max: int = 1_000_000  # of any list made on the way
    depth_max: int = 100  # nested macro and render() calls, nested lists and maps
    regex_seconds_max: float = 0.1  # of matching, all regular expressions of one rendering together
    cpu_seconds_max: float = 0.3  # of the processor, looked at while counting


DEFAULT = Limits()
