"""Does what `decide` asks for. One small handler per command, found in a table."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import trio

from hookledger.actors.attempt import Ended
from hookledger.actors.attempts import Attempts, Outbox
from hookledger.actors.bench import Bench
from hookledger.actors.endings import finish, finish_killed
from hookledger.actors.errors import CommandRefused
from hookledger.actors.structure import (
    begin_wait,
    end_wait,
    fire_timer,
    kill_children,
    look_after_child,
    start_child,
    take_branch,
)
from hookledger.runtime.plan import (
    AwaitEvent,
    AwaitTime,
    BeginWait,
    Command,
    EndAttempts,
    EndWait,
    Finish,
    FinishKilled,
    FireTimer,
    KillChildren,
    StartAttempt,
    StartChild,
    TakeBranch,
)

Reply: TypeAlias = "trio.MemorySendChannel[CommandRefused | None]"


class Performer:
    """The hands of one execution's actor."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._attempts = Attempts(bench)
        self._children_seen: set[str] = set()
        """Paths whose child was looked at since this actor began."""
        self._asked_to_stop: set[str] = set()
        self._nursery: trio.Nursery

    @property
    def busy(self) -> bool:
        """True while an attempt runs beside the actor."""
        return self._attempts.busy

    def begin(self, nursery: trio.Nursery, outbox: Outbox) -> None:
        """The nursery attempts live in, and where their results go."""
        self._nursery = nursery
        self._attempts.begin(nursery, outbox)

    async def perform(self, commands: Sequence[Command]) -> bool:
        """Carry out commands; True when something was recorded, so that it is time to decide again."""
        before = self._bench.state.sequence
        for command in commands:
            await _HANDLERS[type(command)](self, command)
        return self._bench.state.sequence != before

    def close(self, ended: Ended) -> None:
        """Record an attempt's end."""
        self._attempts.close(ended)

    def answer(self, reply: Reply, refused: CommandRefused | None) -> None:
        """Reply to a command once what it recorded is durable."""
        self._nursery.start_soon(self._reply, reply, refused)

    async def _reply(self, reply: Reply, refused: CommandRefused | None) -> None:
        """Not cancelled with the attempts: whoever asked gets an answer even when the command ended the actor."""
        with trio.CancelScope(shield=True):
            await self._bench.recorder.barrier()
            try:
                reply.send_nowait(refused)
            except trio.BrokenResourceError:
                return  # whoever asked no longer waits

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
        """Each child is asked once; one that had ended before is looked at instead."""
        fresh = tuple(child for child in command.children if child not in self._asked_to_stop)
        self._asked_to_stop.update(fresh)
        await kill_children(self._bench, KillChildren(children=fresh))
        for path, started in tuple(self._bench.state.children.items()):
            if started.child in fresh:
                await look_after_child(self._bench, path)


def _on_bench(
    handler: Callable[[Bench, Any], Awaitable[None]],
) -> Callable[[Performer, Any], Awaitable[None]]:
    return lambda performer, command: handler(performer._bench, command)


_HANDLERS: dict[type, Callable[[Performer, Any], Awaitable[None]]] = {
    StartAttempt: lambda performer, command: performer._attempts.start(command),
    EndAttempts: lambda performer, command: performer._attempts.stop(command),
    TakeBranch: _on_bench(take_branch),
    BeginWait: _on_bench(begin_wait),
    FireTimer: _on_bench(fire_timer),
    EndWait: _on_bench(end_wait),
    StartChild: Performer._start_child,
    KillChildren: Performer._kill_children,
    AwaitTime: Performer._await_time,
    AwaitEvent: Performer._await_event,
    Finish: _on_bench(finish),
    FinishKilled: _on_bench(finish_killed),
}
