"""How each task of a flow stands in an execution, its iterations counted together. Pure."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec

from hookledger.journal.events import BranchTaken
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
    note: str = ""
    """Of a loop: how often it goes round."""

    @property
    def runs(self) -> int:
        """How many iterations have begun."""
        return sum(number for _, number in self.counts)

    @property
    def text(self) -> str:
        """The state in words, with counts where there are several."""
        if self.runs != 1:
            return ", ".join(f"{number} {state}" for state, number in self.counts)
        attempts = f"{self.attempts} attempts" if self.attempts > 1 else ""
        return ", ".join(filter(None, (self.state, attempts, self.note)))


def standings(state: State) -> dict[str, Standing]:
    """Standing by path without iterations; tasks that have not begun are not in it."""
    leaves = list(_leaves(state))
    found: dict[str, list[tuple[str, int]]] = {}
    for path, reached, made in (*leaves, *_branches(state, leaves)):
        found.setdefault(_ITERATION.sub("", path), []).append((reached, made))
    notes = {_ITERATION.sub("", path): _note(taken) for path, taken in state.branches.items()}
    return {key: _standing(reached, notes.get(key, "")) for key, reached in found.items()}


def _standing(reached: list[tuple[str, int]], note: str) -> Standing:
    counted = Counter(name for name, _ in reached)
    first = next((name for name in _FIRST if counted[name]), reached[0][0])
    most = max(made for _, made in reached)
    return Standing(state=first, counts=tuple(sorted(counted.items())), attempts=most, note=note)


def _leaves(state: State) -> Iterator[tuple[str, str, int]]:
    """Path, state and attempts of everything that runs or waits itself."""
    for path, run in state.runs.items():
        yield path, "PAUSED" if path in state.pauses else run.state, run.attempts
    for path in sorted((state.timers.keys() | state.pauses.keys()) - state.runs.keys() - {""}):
        yield path, "PAUSED", 0
    for path in sorted(state.fired):
        yield path, "SUCCESS", 0
    for path, resumed in state.resumed.items():
        if path and path not in state.runs and path not in state.pauses:
            yield path, _RESUMED.get(resumed.choice, "SUCCESS"), 0
    for path, child in state.children.items():
        returned = state.returned.get(path)
        yield path, returned.state if returned else "RUNNING" if child.wait else "SUCCESS", 0


def _branches(state: State, leaves: list[tuple[str, str, int]]) -> Iterator[tuple[str, str, int]]:
    """What chose came to what is inside it has come to."""
    for path, taken in state.branches.items():
        if path in state.children:
            continue
        if taken.error or taken.skipped:
            yield path, "FAILED" if taken.error else "SKIPPED", 0
        else:
            inside = {reached for at, reached, _ in leaves if at.startswith((f"{path}/", f"{path}["))}
            yield path, next((name for name in _FIRST if name in inside), "SUCCESS"), 0


def _note(taken: BranchTaken) -> str:
    if taken.values is not None:
        return f"{len(taken.values)} iteration{'s' * (len(taken.values) != 1)}"
    return f"round {taken.round}" if taken.round else ""


_RESUMED: Final = {"warn": "WARNING", "fail": "FAILED", "cancel": "CANCELLED"}
