"""How much one rendering may do.

The numbers bound time and memory by counting work, not by a clock, so that the same
template with the same values fails or succeeds the same way on every machine. Regular
expressions need a clock: a single match cannot be counted from outside. The clock of the processor is a
second line of defence, far behind the count.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import thread_time
from typing import Final


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

BRIEF_STEPS: Final = 2_000
BRIEF_SECONDS: Final = 0.05
"""Of the processor: a second line behind the count, as in `Limits`."""
RUN_STEPS: Final = 16
"""What beginning one more rendering counts."""


class Interrupted(BaseException):
    """A rendering needs more than there is in a `brief` block: it is to be begun again where it holds up nobody.

    Not an Exception, because no template and no caller in between may take it for a failure.
    """


class Brief:
    """What all renderings inside a `brief` block may do together."""

    __slots__ = ("_ends", "_steps")

    def __init__(self) -> None:
        self._steps = BRIEF_STEPS
        self._ends = thread_time() + BRIEF_SECONDS

    def spend(self, steps: int) -> None:
        """Count work; raises Interrupted when it becomes too much."""
        self._steps -= steps
        if self._steps < 0 or thread_time() > self._ends:
            raise Interrupted


BRIEF: Final[ContextVar[Brief | None]] = ContextVar("BRIEF", default=None)


def charge(steps: int) -> None:
    """Count other work of a `brief` block, such as masking; costs nothing outside of one."""
    block = BRIEF.get()
    if block is not None:
        block.spend(steps)


@contextmanager
def brief() -> Generator[None]:
    """A block in which renderings are interrupted as soon as they would be felt by somebody who waits.

    Raises:
        Interrupted: They were.
    """
    token = BRIEF.set(Brief())
    try:
        yield
    finally:
        BRIEF.reset(token)
