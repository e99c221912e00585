"""Which task types there are, by every name a flow may use for them."""

from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points

from hookledger.runtime.tasks.base import TaskKind
from hookledger.runtime.tasks.debug import Echo, Return
from hookledger.runtime.tasks.execution import Assert, Exit, Fail, Labels
from hookledger.runtime.tasks.flow.choices import If, Switch
from hookledger.runtime.tasks.flow.loops import EachParallel, EachSequential, ForEach, LoopUntil
from hookledger.runtime.tasks.flow.parallel import Dag, Parallel
from hookledger.runtime.tasks.flow.sequential import AllowFailure, Sequential
from hookledger.runtime.tasks.flow.subflow import Subflow
from hookledger.runtime.tasks.flow.waits import Pause, Sleep
from hookledger.runtime.tasks.http import Request
from hookledger.runtime.tasks.kv import Delete, Get, Set
from hookledger.runtime.tasks.log import Log
from hookledger.runtime.tasks.output import OutputValues
from hookledger.runtime.tasks.process import Commands, Script
from hookledger.runtime.tasks.respond import Respond

ENTRY_POINT_GROUP = "hookledger.tasks"
BUILT_IN: tuple[type[TaskKind], ...] = (
    Log,
    Return,
    Echo,
    OutputValues,
    Fail,
    Exit,
    Labels,
    Assert,
    Request,
    Set,
    Get,
    Delete,
    Commands,
    Script,
    Sequential,
    AllowFailure,
    Parallel,
    Dag,
    If,
    Switch,
    ForEach,
    EachSequential,
    EachParallel,
    LoopUntil,
    Pause,
    Sleep,
    Subflow,
    Respond,
)


class TaskRegistry:
    """Maps type names to task types."""

    def __init__(self, kinds: Iterable[type[TaskKind]] = BUILT_IN) -> None:
        self._kinds: dict[str, type[TaskKind]] = {}
        for kind in kinds:
            self.register(kind)

    def register(self, kind: type[TaskKind]) -> type[TaskKind]:
        """Add a task type; usable as a decorator.

        Raises:
            ValueError: It has no name, or a name that another type has.
        """
        if not kind.types:
            raise ValueError(f"{kind.__name__}: give the task type a name in `types`")
        for name in kind.types:
            taken = self._kinds.get(name)
            if taken not in (None, kind):
                raise ValueError(f"{name} is already the name of {taken}")
            self._kinds[name] = kind
        return kind

    def find(self, name: str) -> type[TaskKind] | None:
        """Look a type up by canonical name or alias."""
        return self._kinds.get(name)

    def kinds(self) -> tuple[type[TaskKind], ...]:
        """Every type once, by canonical name."""
        return tuple(sorted(set(self._kinds.values()), key=lambda kind: kind.types[0]))

    def names(self) -> Iterator[str]:
        """Every name, aliases included."""
        yield from self._kinds


def installed() -> TaskRegistry:
    """The built-in types and those that installed packages offer as `hookledger.tasks` entry points."""
    registry = TaskRegistry()
    for point in entry_points(group=ENTRY_POINT_GROUP):
        registry.register(point.load())
    return registry
