"""How each task of a flow stands in an execution, its iterations counted together. Pure."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec

from hookledger.runtime.state import State

_ITERATION: Final = re.compile(r"\[\d+\]")
_FIRST: Final = ("RUNNING", "PAUSED", "RETRYING", "KILLED", "FAILED", "WARNING", "SUCCESS", "SKIPPED")
"""Of several iterations the state that a reader wants to know of first."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """One task, all of its iterations together."""

    state: str
    counts: tuple[tuple[str, int], ...]
    attempts: int = 0
    """The most that one iteration took."""

    @property
    def runs(self) -> int:
        """How many iterations have begun."""
        return sum(number for _, number in self.counts)

    @property
    def text(self) -> str:
        """The state in words, with counts where there are several."""
        if self.runs == 1:
            return f"{self.state}{f', {self.attempts} attempts' if self.attempts > 1 else ''}"
        return ", ".join(f"{number} {state}" for state, number in self.counts)


def standings(state: State) -> dict[str, Standing]:
    """Standing by path without iterations; tasks that have not begun are not in it."""
    counts: dict[str, Counter[str]] = {}
    attempts: dict[str, int] = {}
    for path, reached, made in _reached(state):
        key = _ITERATION.sub("", path)
        counts.setdefault(key, Counter())[reached] += 1
        attempts[key] = max(attempts.get(key, 0), made)
    return {
        key: Standing(state=_first(counted), counts=tuple(sorted(counted.items())), attempts=attempts[key])
        for key, counted in counts.items()
    }


def _reached(state: State) -> Iterator[tuple[str, str, int]]:
    """Path, state and attempts of everything that has begun."""
    for path, run in state.runs.items():
        yield path, "PAUSED" if path in state.pauses else run.state, run.attempts
    for path, taken in state.branches.items():
        if path not in state.children:
            yield path, "FAILED" if taken.error else "SKIPPED" if taken.skipped else _inside(state, path), 0
    for path in state.timers.keys() | state.pauses.keys() - state.runs.keys() - {""}:
        yield path, "PAUSED", 0
    for path in state.fired | (state.resumed.keys() - state.runs.keys() - state.pauses.keys() - {""}):
        yield path, "SUCCESS", 0
    for path in state.children:
        child = state.returned.get(path)
        waits = state.children[path].wait
        yield path, child.state if child else "RUNNING" if waits else "SUCCESS", 0


def _inside(state: State, path: str) -> str:
    """What a flowable came to, as far as its children say."""
    found = {run.state for at, run in state.runs.items() if at.startswith((f"{path}/", f"{path}["))}
    worst = next((name for name in _FIRST if name in found), "SUCCESS")
    return "RUNNING" if worst == "SUCCESS" and state.terminal is None and not found else worst


def _first(counted: Counter[str]) -> str:
    return next((name for name in _FIRST if counted[name]), next(iter(counted)))
