"""Drives `decide` and `fold` without an event loop: answers each command with the event an actor would record.

What a task does, what an operator wants and how long things take is drawn from a random source, so that one
driver reaches the states that real executions reach, and many that they hardly ever do.
"""

import random
from collections.abc import Callable
from typing import Any, Final

from msgspec.structs import replace

from hookledger.journal.events import (
    BranchTaken,
    ChildReturned,
    ChildStarted,
    ExecutionCancelled,
    ExecutionEvent,
    ExecutionFailed,
    ExecutionKilled,
    ExecutionPaused,
    ExecutionRestarted,
    ExecutionResumed,
    Failure,
    KillRequested,
    LabelsSet,
    OperatorNote,
    OutputsResolved,
    ResultSettled,
    TaskReturned,
    TaskStarted,
    TimerFired,
    TimerSet,
    TriggerReceived,
)
from hookledger.runtime.decide import decide
from hookledger.runtime.flow.model import Flow, Task
from hookledger.runtime.locate import locate
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
    Flowable,
    KillChildren,
    Settle,
    StartAttempt,
    StartChild,
    TakeBranch,
)
from hookledger.runtime.restart import redone
from hookledger.runtime.settle import settle
from hookledger.runtime.state import State, below, fold

STEPS_MAX: Final = 4000


class Driver:
    """One execution of a flow, imagined."""

    def __init__(self, flow: Flow, seed: int) -> None:
        self.flow = flow
        self.chance = random.Random(seed)
        self.now = 1_000_000
        self.state = State()
        self.events: list[ExecutionEvent] = []
        self._record(
            TriggerReceived,
            namespace=flow.namespace,
            flow=flow.id,
            revision=1,
            source_sha256=flow.sha256,
            trigger="",
            trigger_type="",
            seed="00",
        )

    def run(self) -> list[ExecutionEvent]:
        """Answer commands until the execution has ended."""
        for _ in range(STEPS_MAX):
            commands = self.decide()
            if self.state.terminal is not None:
                return self.events
            before = len(self.events)
            self._meddle()
            for command in commands if len(self.events) == before else ():
                self._answer(command)
            if len(self.events) == before:
                self._pass_time(commands)
        raise AssertionError(f"no end after {STEPS_MAX} steps: {self.decide()}")

    def restart(self) -> None:
        """Open the ended execution again."""
        paths, again = redone(self.flow, self.state)
        fields = {"revision": 1, "source_sha256": self.flow.sha256, "paths": paths, "again": again}
        self._record(ExecutionRestarted, by="user:me", generation=self.state.generation + 1, **fields)

    def decide(self) -> tuple[Command, ...]:
        """Ask, and check what holds of every answer: it is repeatable, and open executions wait for something."""
        commands = decide(self.flow, self.state, self.now)
        assert commands == decide(self.flow, self.state, self.now)
        assert bool(commands) == (self.state.terminal is None)
        for command in commands:
            if isinstance(command, AwaitTime):
                assert command.due > self.now
            if isinstance(command, AwaitTime | AwaitEvent):
                assert command.reason
        return commands

    def _record(self, kind: Callable[..., ExecutionEvent], **fields: Any) -> None:
        event = kind(sequence=self.state.sequence, at=self.now, **fields)
        self.state = fold(self.state, event)
        self.events.append(event)

    def _meddle(self) -> None:
        """Operators and observers, now and then."""
        draw = self.chance.random()
        if draw < 0.01 and self.state.kill is None:
            self._record(KillRequested, by="user:me")
        elif draw < 0.02 and "" not in self.state.pauses and self.state.kill is None:
            self._record(ExecutionPaused, path="", reason="operator", by="user:me")
        elif draw < 0.04:
            self._record(OperatorNote, by="user:me", text="seen")
        elif draw < 0.05:
            self._record(LabelsSet, labels={"seen": "yes"})

    def _pass_time(self, commands: tuple[Command, ...]) -> None:
        """Nothing can be done: an attempt ends, a person moves, or the clock does."""
        awaited = [command for command in commands if isinstance(command, AwaitEvent)]
        due = [command.due for command in commands if isinstance(command, AwaitTime)]
        if awaited and (not due or self.chance.random() < 0.7):
            self._happens(self.chance.choice(awaited))
        elif due:
            self.now = min(due)
        elif any(isinstance(command, KillChildren) for command in commands):
            for path, started in self.state.children.items():
                if started.wait and path not in self.state.returned:
                    self._record(ChildReturned, path=path, child=started.child, state="KILLED")
        else:
            raise AssertionError(f"stuck with {commands}")

    def _happens(self, command: AwaitEvent) -> None:
        self.now += self.chance.randint(0, 3_000_000)
        if command.reason == "attempt":
            self._end_attempt(command.path, self.chance.choice(["ok", "ok", "error", "timeout"]))
        elif command.reason == "child":
            child = self.state.children[command.path].child
            reached = self.chance.choice(["SUCCESS", "WARNING", "FAILED", "KILLED"])
            self._record(ChildReturned, path=command.path, child=child, state=reached)
        else:
            self._record(ExecutionResumed, path=command.path, by="user:me")

    def _answer(self, command: Command) -> None:
        match command:
            case StartAttempt():
                self._start(command)
            case TakeBranch():
                self._branch(command)
            case BeginWait():
                self._wait(command)
            case StartChild():
                path = command.place.path(command.task)
                fields = {"child": f"child of {path}", "namespace": "n", "flow": "f", "revision": 1}
                self._record(ChildStarted, task=command.task.id, path=path, **fields)
            case BeginDeadline():
                path, due = command.place.path(command.task), self.now + self.chance.randint(1, 9_000_000)
                self._record(TimerSet, path=path, due=due, origin="timeout")
            case FireTimer():
                self._fire(command)
            case EndWait():
                choice = self.state.pauses[command.path].expiry
                self._record(ExecutionResumed, path=command.path, by="engine:timer", choice=choice)
            case EndAttempts():
                for path in command.paths:
                    self._end_attempt(path, "killed")
            case Settle():
                self._record(ResultSettled, state=command.state, path=command.path)
            case Finish():
                self._finish(command.state)
            case FinishKilled():
                self._record(ExecutionKilled, by="user:me")
            case KillChildren() | AwaitEvent() | AwaitTime():
                pass

    def _fire(self, command: FireTimer) -> None:
        for path in tuple(self.state.pauses) if command.late else ():
            if below(path, command.path):
                self._record(ExecutionResumed, path=path, by="engine:timer", choice="fail")
        origin = "timeout" if command.late else "sleep"
        self._record(TimerFired, path=command.path, due=command.due, origin=origin)

    def _start(self, command: StartAttempt) -> None:
        task, path = command.task, command.place.path(command.task)
        fields = {"task_type": task.type, "effect": "pure"}
        self._record(TaskStarted, task=task.id, path=path, attempt=command.attempt, **fields)
        if task.run_if is not None and self.chance.random() < 0.3:
            self._end_attempt(path, "skipped")

    def _end_attempt(self, path: str, outcome: Any) -> None:
        found = locate(self.flow, self.state.branches, path)
        assert found is not None
        run = self.state.runs[path]
        exiting = outcome == "ok" and "Leaves" in found[0].type
        settled = settle(found[0], run, outcome, exiting=exiting, now=self.now, seed="00")
        self._record(
            TaskReturned,
            task=run.task,
            path=path,
            attempt=run.attempts,
            outcome=outcome,
            next=settled.next,
            retry_at=settled.retry_at,
            exit_state=self.chance.choice(["SUCCESS", "FAILED"]) if exiting else "",
            outputs={"value": 1} if outcome == "ok" else {},
            error=Failure(message="no") if outcome in ("error", "timeout") else None,
        )

    def _branch(self, command: TakeBranch) -> None:
        task, path = command.task, command.place.path(command.task)
        fields: dict[str, Any] = {"task": task.id, "path": path, "round": command.round}
        draw = self.chance.random()
        if task.run_if is not None and command.round == 0 and draw < 0.3:
            self._record(BranchTaken, skipped=True, **fields)
        elif draw < 0.1:
            self._record(BranchTaken, error=Failure(message="no"), **fields)
        else:
            self._record(BranchTaken, **fields, **self._choice(task, command.round))

    def _choice(self, task: Task, round_: int) -> dict[str, Any]:
        kind = task.kind.__name__
        if kind in ("If", "Switch"):
            return {
                "chosen": self.chance.choice([name for name in task.blocks if name != "errors"] or ["else"])
            }
        if kind in ("ForEach", "EachSequential", "EachParallel"):
            return {"values": tuple(f"v{number}" for number in range(self.chance.randint(0, 3)))}
        if kind == "LoopUntil":
            if round_ == 0:
                return {"chosen": "again"}
            again = self.chance.random() < 0.4
            later = self.now + self.chance.randint(0, 2_000_000)
            if again:
                return {"chosen": "again", "not_before": later}
            return {"chosen": self.chance.choice(["done", "failed"])}
        return {}

    def _wait(self, command: BeginWait) -> None:
        path, kind = command.place.path(command.task), command.task.kind
        assert issubclass(kind, Flowable)
        later = self.now + self.chance.randint(0, 5_000_000)
        if kind.__name__ == "Sleep":
            self._record(TimerSet, path=path, due=later)
        else:
            until = self.chance.choice([0, later])
            expiry = self.chance.choice(["resume", "warn", "fail", "cancel"])
            self._record(ExecutionPaused, path=path, until=until, expiry=expiry)

    def _finish(self, reached: str) -> None:
        if reached in ("SUCCESS", "WARNING"):
            self._record(OutputsResolved, state=reached)
        elif reached == "CANCELLED":
            self._record(ExecutionCancelled, reason="the flow ended itself")
        else:
            self._record(ExecutionFailed, error=Failure(message=reached))


def renumbered(events: list[ExecutionEvent]) -> list[ExecutionEvent]:
    """The same events with dense sequences."""
    return [replace(event, sequence=number) for number, event in enumerate(events)]
