"""One rendering: its limits, what it used of them, and what it may ask from outside.

Every operator, filter, test and function receives the run as its first argument. Work is counted here.
"""

from collections.abc import Callable, Iterable, Mapping
from time import thread_time
from typing import TYPE_CHECKING

from hookledger.runtime.expressions.errors import AmbientUnavailable, LimitExceeded
from hookledger.runtime.expressions.limits import BRIEF, DEFAULT, RUN_STEPS, Interrupted, Limits
from hookledger.runtime.expressions.values import Value

if TYPE_CHECKING:
    from hookledger.runtime.expressions.ambient import Ambient

RenderNested = Callable[["Run", str, Mapping[str, Value]], str]

BRIEF_REGEX_SECONDS = 0.01
LETTER_STEPS = 20
"""For a kilobyte of text of which every letter is looked at one by one."""
LOOK_STEPS = 64
"""Between two looks at the clock, which finds what the count does not."""
LENGTH_KINDS = frozenset({str, list, dict})
STEPS_SHIFT = {str: 10, list: 3, dict: 3}  # a kilobyte of text, or eight elements, count as one step


class Run:
    """Counts the work of one rendering and refuses when it becomes too much."""

    __slots__ = (
        "_ambient",
        "_brief",
        "_ends",
        "_look",
        "_seen",
        "depth",
        "limits",
        "made",
        "regex_seconds",
        "render_nested",
        "steps",
    )

    def __init__(self, ambient: "Ambient | None", limits: Limits, render_nested: RenderNested) -> None:
        self._ambient = ambient
        self.limits = limits
        self.steps = self._seen = limits.steps_max
        self._look = limits.steps_max  # at the clock, when so many steps are left
        self._brief = BRIEF.get()
        if self._brief is not None:
            self._brief.spend(RUN_STEPS)
        self._ends = thread_time() + limits.cpu_seconds_max
        self.depth = 0
        self.made = 0  # characters
        self.regex_seconds = limits.regex_seconds_max
        if self._brief is not None:
            self.regex_seconds = min(self.regex_seconds, BRIEF_REGEX_SECONDS)
        self.render_nested = render_nested

    @property
    def ambient(self) -> "Ambient":
        """The ambient values of this rendering; an error when none were handed in."""
        if self._ambient is None:
            raise AmbientUnavailable("this function needs a value from outside and none can be had here")
        return self._ambient

    def secrets(self) -> frozenset[str]:
        """The values of the secrets this rendering was given."""
        return frozenset() if self._ambient is None else self._ambient.secrets

    def spend(self, steps: int) -> None:
        """Count work."""
        self.steps -= steps
        if self.steps < self._look:
            self._checked()

    def matched_too_long(self) -> LimitExceeded:
        """The error for regular expressions that were stopped."""
        if self._brief is not None:
            raise Interrupted
        return LimitExceeded(f"regular expressions take longer than {self.limits.regex_seconds_max} s")

    def _checked(self) -> None:
        if self._brief is not None:
            self._seen, spent = self.steps, self._seen - self.steps
            self._brief.spend(spent)
        if self.steps < 0:
            raise LimitExceeded(f"the template takes more than {self.limits.steps_max} steps")
        if thread_time() > self._ends:
            raise LimitExceeded(
                f"the template takes more than {self.limits.cpu_seconds_max:g} s of the processor"
            )
        self._look = max(self.steps - LOOK_STEPS, 0)

    def charge(self, value: Value) -> Value:
        """Count a value that is about to be worked on; returns it."""
        kind = value.__class__
        if kind in LENGTH_KINDS:
            self.spend(1 + (len(value) >> STEPS_SHIFT[kind]))
        else:
            self.spend(1)
        return value

    def letters(self, text: str) -> str:
        """Count a text of which every letter is looked at, before that is done; returns it."""
        self.spend(LETTER_STEPS * len(text) >> 10)
        return text

    def text(self, text: str) -> str:
        """Let a text that was just made pass, if it is not too long."""
        if len(text) > self.limits.text_chars_max:
            raise self.too_long()
        return text

    def room_for(self, chars: int) -> None:
        """Refuse before a text of that length is built."""
        if chars > self.limits.text_chars_max:
            raise self.too_long()
        self.made += chars
        if self.made > self.limits.made_chars_max:
            raise LimitExceeded(f"texts of more than {self.limits.made_chars_max} characters were made")
        self.spend(1 + (chars >> 10))

    def room_for_items(self, count: int) -> None:
        """Refuse before a list of that length is built."""
        if count > self.limits.items_max:
            raise LimitExceeded(f"a list would have more than {self.limits.items_max} elements")
        self.spend(1 + (count >> 3))

    def too_long(self) -> LimitExceeded:
        """The error for a text that is too long."""
        return LimitExceeded(f"a text would have more than {self.limits.text_chars_max} characters")

    def join(self, parts: list[str]) -> str:
        """Put the pieces of an output together; their sum is looked at first."""
        if sum(map(len, parts)) > self.limits.text_chars_max:
            raise self.too_long()
        return "".join(parts)

    def concat(self, parts: Iterable[str]) -> str:
        """Put the operands of `~` together, counting their length."""
        pieces = list(parts)
        self.room_for(sum(map(len, pieces)))
        return "".join(pieces)

    def enter(self) -> None:
        """Go one macro or render() deeper."""
        self.spend(1)
        self.depth += 1
        if self.depth > self.limits.depth_max:
            raise LimitExceeded(f"macros or render() are nested deeper than {self.limits.depth_max}")

    def leave(self) -> None:
        """Come back from a macro or render()."""
        self.depth -= 1


def plain_run(limits: Limits = DEFAULT) -> Run:
    """A run outside any template: for library functions used on their own."""

    def refuse(_run: Run, template: str, _variables: Mapping[str, Value]) -> str:
        raise AmbientUnavailable(f"nothing here can render {template!r}")

    return Run(None, limits, refuse)
