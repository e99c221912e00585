"""What can go wrong, and when. A fault strikes at a numbered step; steps are counted over the life of a world."""

import random
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Final

import msgspec

APPEND: Final = "append"
COMMIT: Final = "commit"
COMMITTED: Final = "committed"
EFFECT: Final = "effect"
EFFECTED: Final = "effected"


class Crash(BaseException):
    """The process is gone: nothing may catch this but the world itself."""


class DiskFailed(OSError):
    """A commit failed; whether its bytes landed is another matter."""


class Refused(BaseException):
    """The store was asked to write what its keys forbid: no fault of the disk, and nobody survives it."""


class Faults(msgspec.Struct, frozen=True, kw_only=True):
    """What strikes in one run."""

    crash_at: frozenset[int] = frozenset()
    """Steps at which the process dies."""
    crash_share: float = 0.0
    """Share of steps at which it dies, drawn from the seed."""
    poison_at: frozenset[int] = frozenset()
    """Commits, counted from 0, that fail."""
    poison_lands: bool = False
    """Whether the bytes of a failed commit are there afterwards."""
    commit_seconds: tuple[float, float] = (0.0, 0.0)
    """Shortest and longest time a commit takes."""
    ask_seconds: tuple[float, float] = (0.0, 0.0)
    """Shortest and longest time a question to the store takes; what it sees is of some moment in between."""
    crashes_max: int = 5
    """Faults stop after so many, so that a run comes to an end."""
    clock_steps_back: bool = False
    """Whether the wall clock is behind after a crash."""
    clock_steps: tuple[tuple[float, float], ...] = ()
    """When the wall clock is set while processes live, and by how much it then differs; seconds."""


class Step(msgspec.Struct, frozen=True):
    """A place where a fault can strike."""

    number: int
    kind: str


class Fate:
    """Decides at every step whether the process dies there."""

    def __init__(self, faults: Faults, chance: random.Random) -> None:
        self.faults = faults
        self.crashes = 0
        self.dead = False
        self.steps: list[Step] = []
        self.commits = 0
        self._over = False
        self._chance = chance

    def step(self, kind: str) -> None:
        """Pass a step.

        Raises:
            Crash: The process dies here, or has died before and does not know it yet.
        """
        if self.dead:
            raise Crash(f"died before this {kind}")
        step = Step(len(self.steps), kind)
        self.steps.append(step)
        if self._strikes(step):
            self.crashes += 1
            self.dead = True
            raise Crash(f"at step {step.number}: {kind}")

    def die(self) -> None:
        """The process dies here and now, whatever it is doing.

        Raises:
            Crash: Always.
        """
        self.crashes += 1
        self.dead = True
        raise Crash("killed")

    def commit(self) -> tuple[int, bool]:
        """Count a commit that reached the disk; its number, and whether it fails."""
        number, self.commits = self.commits, self.commits + 1
        return number, number in self.faults.poison_at and not self._over

    def revive(self) -> None:
        """A new process begins."""
        self.dead = False

    def calm(self) -> None:
        """From here on nothing strikes."""
        self._over = True

    def _strikes(self, step: Step) -> bool:
        if self._over:
            return False
        if self.crashes >= self.faults.crashes_max:
            return False
        if step.number in self.faults.crash_at:
            return True
        return self.faults.crash_share > 0 and self._chance.random() < self.faults.crash_share


def only(kinds: type[BaseException] | tuple[type[BaseException], ...], error: BaseException) -> bool:
    """True when an error, or everything inside a group of them, is of one of the kinds."""
    if isinstance(error, BaseExceptionGroup):
        parts: Iterable[BaseException] = error.exceptions
        return all(only(kinds, part) for part in parts)
    return isinstance(error, kinds)


@contextmanager
def survived(fate: Fate, *kinds: type[BaseException]) -> Generator[list[str]]:
    """Swallow the end of a process; the list then says what it was. Any other error goes on."""
    ends: list[str] = []
    try:
        yield ends
    except BaseException as error:
        if not only((Crash, *kinds), error):
            raise
        ends.append(type(error).__name__)
    fate.revive()
