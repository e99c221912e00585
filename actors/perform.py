"""Does what `decide` asks for. One small handler per command, found in a table."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import trio

from hookledger.actors.attempt import Ended
from hookledger.actors.attempts import Attempts, Outbox
from hookledger.actors.bench import Bench
from hookledger.actors.endings import finish, finish_killed, settle_result
from hookledger.actors.off_loop import turn
from hookledger.actors.structure import (
    begin_deadline,
    begin_wait,
    end_wait,
    ensure_child,
    fire_timer,
    kill_children,
    look_after_child,
    start_child,
    take_branch,
)
from hookledger.runtime.plan import (
    AwaitEvent,
    AwaitTime,
    BeginDeadline,
    BeginWait,
    Command,
    EndAttempts,
    EndWait,
    Finish,
    FinishKilled,
    FireTimer,
    KillChildren,
    Settle,
    StartAttempt,
    StartChild,
    TakeBranch,
)


class Performer:
    """The hands of one execution's actor."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._attempts = Attempts(bench)
        self._children_seen: set[str] = set()
        """Paths whose child was looked at since this actor began."""
        self._asked_to_stop: set[str] = set()
        self._promises_kept = False

    @property
    def busy(self) -> bool:
        """True while an attempt runs beside the actor."""
        return self._attempts.busy

    def begin(self, attempts: trio.Nursery, outbox: Outbox) -> None:
        """The nursery attempts live in, and where results go."""
        self._attempts.begin(attempts, outbox)

    async def perform(self, commands: Sequence[Command]) -> bool:
        """Carry out commands; True when something was recorded, so that it is time to decide again."""
        before = self._bench.state.sequence
        await self._keep_promises()
        if (
            self._bench.state.sequence != before
        ):  # a promise that cannot be kept: the commands are out of date
            return True
        for number, command in enumerate(commands, 1):
            if not self._put_off(command):
                await _HANDLERS[type(command)](self, command)
            if self._bench.recorder.large:
                await self._bench.recorder.append()
            await turn(number)
        return self._bench.state.sequence != before

    def _put_off(self, command: Command) -> bool:
        """While the engine drains: an effect that nobody waits for begins after the next start, not now."""
        if not self._bench.ports.effects.draining or not isinstance(command, StartAttempt):
            return False
        received = self._bench.state.received
        waited_for = received is not None and (received.wait or received.parent)
        return not waited_for and command.task.kind.effect != "pure"

    async def _keep_promises(self) -> None:
        """Start children nobody waits for that a crash kept from starting; the plan does not ask for them again."""
        if self._promises_kept:
            return
        self._promises_kept = True
        for number, started in enumerate(tuple(self._bench.state.children.values()), 1):
            if not started.wait:
                await ensure_child(self._bench, started)
            await turn(number)

    async def close(self, ended: Ended) -> None:
        """Record an attempt's end."""
        await self._attempts.close(ended)

    async def _await_time(self, command: AwaitTime) -> None:
        """Nothing to do: the loop knows when to look again."""

    async def _await_event(self, command: AwaitEvent) -> None:
        if command.reason == "attempt":
            await self._attempts.take_up(command.path)
        elif command.reason == "child" and command.path not in self._children_seen:
            self._children_seen.add(command.path)
            await look_after_child(self._bench, command.path)

    async def _start_child(self, command: StartChild) -> None:
        await start_child(self._bench, command)
        self._children_seen.add(command.place.path(command.task))

    async def _kill_children(self, command: KillChildren) -> None:
        """Each child is asked once; first one that was only promised is started and one that has ended is heard."""
        fresh = {child: None for child in command.children if child not in self._asked_to_stop}
        self._asked_to_stop.update(fresh)
        children = tuple(self._bench.state.children.items())
        for number, (path, started) in enumerate(children, 1):
            if started.child in fresh:
                await look_after_child(self._bench, path)
            await turn(number)
        await kill_children(self._bench, KillChildren(children=tuple(fresh)))


def _on_bench(
    handler: Callable[[Bench, Any], Awaitable[None]],
) -> Callable[[Performer, Any], Awaitable[None]]:
    return lambda performer, command: handler(performer._bench, command)


_HANDLERS: dict[type, Callable[[Performer, Any], Awaitable[None]]] = {
    StartAttempt: lambda performer, command: performer._attempts.start(command),
    EndAttempts: lambda performer, command: performer._attempts.stop(command),
    TakeBranch: _on_bench(take_branch),
    BeginWait: _on_bench(begin_wait),
    BeginDeadline: _on_bench(begin_deadline),
    FireTimer: _on_bench(fire_timer),
    EndWait: _on_bench(end_wait),
    StartChild: Performer._start_child,
    KillChildren: Performer._kill_children,
    AwaitTime: Performer._await_time,
    AwaitEvent: Performer._await_event,
    Settle: _on_bench(settle_result),
    Finish: _on_bench(finish),
    FinishKilled: _on_bench(finish_killed),
}
