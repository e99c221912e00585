"""The execution actor: a loop around two pure functions.

    commands = decide(flow, state, now)      what should happen
    events   = perform(commands)             the only part that touches the world
    state    = fold(state, events)           what is remembered

Everything comes in through one inbox: results of attempts, operators' commands, timers. When nothing can happen
before a timer or a person moves, the actor ends and leaves a few bytes behind; the supervisor folds the journal
again when the time has come.
"""

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import trio

from hookledger.actors.attempt import Ended
from hookledger.actors.errors import CommandRefused
from hookledger.actors.handle import Execution
from hookledger.actors.operators import OperatorCommand, apply
from hookledger.actors.perform import Performer, Reply
from hookledger.actors.recorder import Recorder
from hookledger.runtime.decide import decide
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.plan import AwaitTime, Command

INBOX_MAX: Final = 64


class Request(msgspec.Struct, frozen=True):
    """An operator's command and where the answer goes: None once durable, or why it was refused."""

    command: OperatorCommand
    reply: Reply


class Rest(msgspec.Struct, frozen=True):
    """The actor has nothing to do before `due` (microseconds), or until somebody sends it something."""

    due: int | None


class ExecutionActor:
    """Owns one execution while something happens in it."""

    def __init__(self, execution: Execution, flow: Flow, recorder: Recorder, performer: Performer) -> None:
        self._execution = execution
        self._flow = flow
        self._recorder = recorder
        self._performer = performer
        self.accepting = True
        """False from the moment the actor has decided to end: what is sent later would never be read."""
        self.gone = trio.Event()
        """Set by the supervisor when the actor's place is free."""
        self._outbox, self._inbox = trio.open_memory_channel[Ended | Request](INBOX_MAX)

    async def send(self, request: Request) -> None:
        """Give it a command; waits while the inbox is full."""
        await self._outbox.send(request)

    async def run(self) -> Rest | None:
        """Work until the execution has ended (None) or rests."""
        async with trio.open_nursery() as replies, trio.open_nursery() as attempts:
            self._performer.begin(attempts, replies, self._outbox.clone())
            rest = await self._work()
            if rest is None:
                await self._end()
            attempts.cancel_scope.cancel()
        return rest

    async def _work(self) -> Rest | None:
        while self._recorder.state.terminal is None:
            await trio.lowlevel.checkpoint()
            self._take_what_came()
            commands = decide(self._flow, self._recorder.state, self._recorder.now())
            if await self._performer.perform(commands):
                continue
            due = _earliest(commands)
            if not self._performer.busy and self._nothing_came():
                await self._recorder.barrier()
                if self._nothing_came():
                    self.accepting = False
                    return Rest(due)
                continue
            self._recorder.flush()
            await self._receive(due)
        return None

    def _nothing_came(self) -> bool:
        return self._inbox.statistics().current_buffer_used == 0

    def _take_what_came(self) -> None:
        while True:
            try:
                message = self._inbox.receive_nowait()
            except trio.WouldBlock:
                return
            self._take(message)

    async def _receive(self, due: int | None) -> None:
        seconds = math.inf if due is None else max(0.0, (due - self._recorder.now()) / 1_000_000)
        with trio.move_on_after(seconds):
            self._take(await self._inbox.receive())

    def _take(self, message: "Ended | Request") -> None:
        if isinstance(message, Ended):
            self._performer.close(message)
        else:
            self._performer.answer(message.reply, self._apply(message.command))

    def _apply(self, command: OperatorCommand) -> CommandRefused | None:
        self._recorder.act_as(command.by)
        try:
            apply(command, self._recorder)
        except CommandRefused as error:
            return error
        finally:
            self._recorder.flush()
        return None

    async def _end(self) -> None:
        """Make the terminal event durable, and answer whoever still asked for something meanwhile."""
        ticket = self._recorder.flush()
        assert ticket is not None
        await ticket.durable()
        self._execution.end(self._recorder.state, ticket.entry)
        while not self._nothing_came():
            self._take_what_came()
            await self._recorder.barrier()
        self.accepting = False


def _earliest(commands: Sequence[Command]) -> int | None:
    return min((command.due for command in commands if isinstance(command, AwaitTime)), default=None)
