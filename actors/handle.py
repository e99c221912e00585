"""What other tasks may do with one execution: wait for it and send it commands. Cheap to pass around."""

from collections.abc import Mapping
from typing import Any

import trio

from hookledger.actors.errors import ExecutionFaulted, ExecutionUnsuccessful
from hookledger.actors.recorder import Recorder
from hookledger.journal.entry import Entry
from hookledger.journal.errors import JournalPoisoned
from hookledger.journal.events import TriggerReceived
from hookledger.runtime.state import State


class Execution:
    """A started execution."""

    def __init__(self, execution_id: str, recorder: Recorder, first: Entry | None = None) -> None:
        self.id = execution_id
        self._recorder = recorder
        self._first = first
        self._ended = trio.Event()
        self._final: tuple[State, Entry] | None = None
        self._fault: BaseException | None = None
        self._answer_entry: Entry | None = None

    async def accepted(self) -> Entry:
        """Wait until the execution can no longer be lost; returns its first entry."""
        if self._first is None:
            await self._recorder.append()
            ticket = self._recorder.first
            assert ticket is not None, "an execution is handed out only after its first event was recorded"
            await ticket.durable()
            self._first = ticket.entry
        return self._first

    async def finished(self) -> State:
        """Wait until the execution has ended and its last event is durable.

        Raises:
            ExecutionFaulted: The engine failed on it.
            JournalPoisoned: The journal stopped.
        """
        await self._ended.wait()
        if isinstance(self._fault, JournalPoisoned):
            raise self._fault
        if self._final is None:
            raise ExecutionFaulted(self.id, str(self._fault or "it was stopped"))
        return self._final[0]

    async def answered(self) -> State:
        """Wait until the caller can be told something: a task has answered, or the execution has ended.

        Raises:
            ExecutionFaulted, JournalPoisoned: As `finished`.
        """
        await self._recorder.spoken.wait()
        if self._ended.is_set():
            return await self.finished()
        if self._recorder.answer is not None:
            await self._recorder.answer.durable()
            self._answer_entry = self._recorder.answer.entry
        return self._recorder.state

    async def outputs(self) -> Mapping[str, Any]:
        """Wait for the end and return the flow's outputs.

        Raises:
            ExecutionUnsuccessful: It ended neither as SUCCESS nor as WARNING.
            ExecutionFaulted, JournalPoisoned: As `finished`.
        """
        state = await self.finished()
        if state.status not in ("SUCCESS", "WARNING"):
            raise unsuccessful(self.id, state)
        return state.outputs

    @property
    def state(self) -> State:
        """The state as of now, durable or not; after the end the final one."""
        return self._final[0] if self._final else self._recorder.state

    @property
    def answer_entry(self) -> Entry | None:
        """The entry that holds what `answered` returned, if this process wrote it."""
        return self._final[1] if self._final else self._answer_entry

    @property
    def last_entry(self) -> Entry:
        """The entry that holds the terminal event; only after `finished`."""
        if self._final is None:
            raise AssertionError("not finished")
        return self._final[1]

    @property
    def final(self) -> State | None:
        """The state it ended in, None before."""
        return self._final[0] if self._final else None

    @property
    def ended(self) -> bool:
        """True once `finished` no longer waits."""
        return self._ended.is_set()

    @property
    def received(self) -> TriggerReceived:
        """What started it."""
        received = self._recorder.state.received
        assert received is not None
        return received

    def driven_by(self, recorder: Recorder) -> None:
        """The supervisor's: from here on this recorder writes; who waits already goes on waiting."""
        recorder.spoken = self._recorder.spoken
        recorder.first = recorder.first or self._recorder.first
        self._recorder = recorder

    def end(self, state: State, entry: Entry) -> None:
        """The actor's: the terminal event is durable."""
        self._final = (state, entry)
        self._ended.set()
        self._recorder.spoken.set()

    def fail(self, error: BaseException) -> None:
        """The supervisor's: nobody works on this execution any more."""
        self._fault = error
        self._ended.set()
        self._recorder.spoken.set()


def unsuccessful(execution_id: str, state: State) -> ExecutionUnsuccessful:
    """Why an execution that has ended gives no outputs."""
    end = state.terminal
    error: Any = getattr(end, "error", None)
    message = error.message if error is not None else getattr(end, "reason", "")
    return ExecutionUnsuccessful(execution_id, state.status, task=getattr(end, "path", ""), message=message)
