"""The execution actor: a loop around two pure functions.

    commands = decide(flow, state, now)      what should happen
    events   = perform(commands)             the only part that touches the world
    state    = fold(state, events)           what is remembered

Everything comes in through one inbox: results of attempts, operators' commands, timers. When nothing can happen
before a timer or a person moves, the actor ends and leaves a few bytes behind; the supervisor folds the journal
again when the time has come.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import msgspec
import trio

from hookledger.actors.attempt import Ended
from hookledger.actors.errors import CommandRefused
from hookledger.actors.handle import Execution
from hookledger.actors.limiters import calculated
from hookledger.actors.operators import OperatorCommand, apply
from hookledger.actors.perform import Performer
from hookledger.actors.recorder import Recorder
from hookledger.journal.journal import Ticket
from hookledger.runtime.decide import decide
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.plan import AwaitTime, Command

INBOX_MAX: Final = 64
LARGE: Final = 500
"""Task runs and choices from which on deciding takes long enough to be felt elsewhere."""


class ActorGone(Exception):
    """The actor ended before it took the command; whoever owns the execution next shall have it."""


class Request:
    """A command on its way to an actor."""

    def __init__(self, command: OperatorCommand) -> None:
        self.command = command
        self._settled = trio.Event()
        self._ticket: Ticket | None = None
        self._error: CommandRefused | ActorGone | None = None

    def settle(self, ticket: Ticket | None, error: CommandRefused | ActorGone | None = None) -> None:
        """Say what it came to: the entry that holds it, or why there is none."""
        self._ticket, self._error = ticket, error
        self._settled.set()

    async def durable(self) -> None:
        """Wait until what it recorded cannot be lost.

        Raises:
            CommandRefused: It was not possible.
            ActorGone: Nobody took it.
        """
        await self._settled.wait()
        if self._error is not None:
            raise self._error
        if self._ticket is not None:
            await self._ticket.durable()


class Rest(msgspec.Struct, frozen=True):
    """The actor has nothing to do before `due` (microseconds), or until somebody sends it something."""

    due: int | None


class ExecutionActor:
    """Owns one execution while something happens in it."""

    def __init__(
        self,
        execution: Execution,
        flow: Flow,
        recorder: Recorder,
        performer: Performer,
        vacate: Callable[[], None],
    ) -> None:
        """`vacate` frees the execution's place, before anybody is told that it has ended."""
        self._vacate = vacate
        self._execution = execution
        self._flow = flow
        self._recorder = recorder
        self._performer = performer
        self.accepting = True
        """False from the moment the actor has decided to end: what is sent later would never be read."""
        self.gone = trio.Event()
        """Set by the supervisor when the actor's place is free."""
        self._outbox, self._inbox = trio.open_memory_channel[Ended | Request](INBOX_MAX)

    @property
    def recorder(self) -> Recorder:
        """Its execution's journal, which nobody else writes while the actor lives."""
        return self._recorder

    async def ask(self, command: OperatorCommand) -> None:
        """Give it a command; returns when what it recorded is durable.

        Raises:
            CommandRefused: It was not possible.
            ActorGone: The actor has ended meanwhile, without it.
        """
        if not self.accepting:
            await self.gone.wait()
            raise ActorGone
        request = Request(command)
        try:
            await self._outbox.send(request)
        except trio.BrokenResourceError:
            raise ActorGone from None
        await request.durable()

    async def run(self) -> Rest | None:
        """Work until the execution has ended (None) or rests."""
        try:
            async with trio.open_nursery() as attempts:
                self._performer.begin(attempts, self._outbox.clone())
                rest = await self._work()
                if rest is None:
                    await self._end()
                attempts.cancel_scope.cancel()
        finally:
            self._leave()
        return rest

    def _leave(self) -> None:
        """However it ends: a command that still lies in the inbox is given back."""
        self.accepting = False
        while True:
            try:
                message = self._inbox.receive_nowait()
            except trio.WouldBlock:
                break
            if isinstance(message, Request):
                message.settle(None, ActorGone())
        self._inbox.close()

    async def _work(self) -> Rest | None:
        if "errorLogs" in self._flow.source:
            await self._recorder.recall_errors()
        while self._recorder.state.terminal is None:
            await trio.lowlevel.checkpoint()
            await self._take_what_came()
            commands = await self._decided()
            if await self._performer.perform(commands):
                continue
            due = _earliest(commands)
            if not self._performer.busy and self._nothing_came():
                await self._recorder.barrier()
                if self._nothing_came():
                    self.accepting = False
                    return Rest(due)
                continue
            await self._recorder.append()
            await self._receive(due)
        return None

    async def _decided(self) -> Sequence[Command]:
        """Deciding is pure: what takes long is done beside the event loop."""
        state, now = self._recorder.state, self._recorder.now()
        if len(state.runs) + len(state.branches) < LARGE:
            return decide(self._flow, state, now)
        return await calculated("deciding", partial(decide, self._flow, state, now))

    def _nothing_came(self) -> bool:
        return self._inbox.statistics().current_buffer_used == 0

    async def _take_what_came(self) -> None:
        """Not more than the inbox holds: whoever still waits to put something in is taken next time."""
        for _ in range(INBOX_MAX):
            try:
                message = self._inbox.receive_nowait()
            except trio.WouldBlock:
                return
            await self._take(message)

    async def _receive(self, due: int | None) -> None:
        seconds = math.inf if due is None else max(0.0, (due - self._recorder.now()) / 1_000_000)
        message: Ended | Request | None = None
        with trio.move_on_after(seconds):
            message = await self._inbox.receive()
        if message is not None:
            await self._take(message)

    async def _take(self, message: "Ended | Request") -> None:
        if isinstance(message, Ended):
            await self._performer.close(message)
        else:
            self._apply(message)

    def _apply(self, request: Request) -> None:
        try:
            with self._recorder.acting_for(request.command.by):
                apply(request.command, self._recorder)
        except CommandRefused as error:
            request.settle(self._recorder.last, error)
        except BaseException:
            request.settle(None, ActorGone())
            raise
        else:
            request.settle(self._recorder.last)

    async def _end(self) -> None:
        """Make the terminal event durable, and answer whoever still asked for something meanwhile."""
        ticket = await self._recorder.append()
        assert ticket is not None
        await ticket.durable()
        self._vacate()
        self._execution.end(self._recorder.state, ticket.entry)
        while not self._nothing_came():
            await self._take_what_came()
            await self._recorder.barrier()
        self.accepting = False


def _earliest(commands: Sequence[Command]) -> int | None:
    return min((command.due for command in commands if isinstance(command, AwaitTime)), default=None)
