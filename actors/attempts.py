"""Attempts: begun, run beside the actor, closed; and those that a crash left open."""

from typing import Any, Final

import trio

from hookledger.actors.answering import at_task
from hookledger.actors.attempt import AttemptContext, Ended, instance_of, run_attempt
from hookledger.actors.bench import Bench
from hookledger.actors.off_loop import rendering, turn
from hookledger.actors.rendering import Rendered
from hookledger.journal.events import (
    ExecutionPaused,
    ExecutionResumed,
    Failure,
    LabelsSet,
    Outcome,
    StaleResultDropped,
    TaskReturned,
    TaskStarted,
)
from hookledger.journal.store import log_reference
from hookledger.runtime.durations import DurationInvalid, bounded_duration
from hookledger.runtime.expressions import truthy
from hookledger.runtime.flow.model import Task
from hookledger.runtime.locate import locate
from hookledger.runtime.plan import EndAttempts, Place, StartAttempt
from hookledger.runtime.settle import settle
from hookledger.runtime.tasks.base import Effect, TaskFailed, TaskKind

Outbox = trio.MemorySendChannel[Any]

KILLED: Final = Failure(message="stopped before it returned", kind="Killed")


FAILURES: Final = frozenset({"error", "timeout", "not_started"})
"""Outcomes that leave an ERROR line in the log: it is what `errorLogs()` and whoever looks for the reason read."""


class Attempts:
    """The attempts of one execution."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._live: dict[str, trio.CancelScope] = {}
        self._nursery: trio.Nursery
        self._outbox: Outbox

    @property
    def busy(self) -> bool:
        """True while an attempt runs beside the actor."""
        return bool(self._live)

    def begin(self, nursery: trio.Nursery, outbox: Outbox) -> None:
        """The nursery attempts live in, and where their results go."""
        self._nursery, self._outbox = nursery, outbox

    async def start(self, command: StartAttempt) -> None:
        """Render the properties, record TaskStarted, run."""
        task, place, attempt = command.task, command.place, command.attempt
        path = place.path(task)
        if task.run_if is not None and not await self._wanted(task, place, attempt):
            return
        bench = self._bench
        rendered = await rendering(lambda: bench.renderer.task(bench.state, task, place, task.properties))
        timeout, failure = await self._timeout(task, place)
        kind, failure = _instance(task, rendered, failure)
        await self._started(
            task, path, attempt, rendered, kind.effect_of() if kind else task.kind.effect, timeout
        )
        if kind is None:
            await self._returned(task, Ended(path=path, attempt=attempt, outcome="error", error=failure))
        else:
            await self._run(task, kind, path, attempt, timeout)

    async def stop(self, command: EndAttempts) -> None:
        """Cancel attempts; their ends come through the inbox like any other."""
        for number, path in enumerate(command.paths, 1):
            scope = self._live.get(path)
            if scope is not None:
                scope.cancel()
            else:
                attempt = self._bench.state.runs[path].attempts
                await self.close(Ended(path=path, attempt=attempt, outcome="killed", error=KILLED))
            await turn(number)

    async def take_up(self, path: str) -> None:
        """An attempt nobody works on was interrupted by a crash: its effect class says what happens to it."""
        if path in self._live:
            return
        bench = self._bench
        begun = bench.state.runs[path].begun
        found = locate(bench.flow, bench.state.branches, path)
        assert begun is not None
        assert found is not None, f"{path} left the plan while it ran"
        resumed = bench.state.resumed.get(path)
        if resumed is not None and resumed.choice in ("accept", "fail"):
            await self._returned(
                found[0], _settled_by_hand(path, begun.attempt, resumed.choice, dict(resumed.inputs))
            )
        elif begun.effect == "write" and not self._may_rerun(resumed):
            bench.record(
                lambda sequence, at: ExecutionPaused(sequence=sequence, at=at, path=path, reason="in_doubt")
            )
        else:
            await self._again(*found, begun)

    def _may_rerun(self, resumed: ExecutionResumed | None) -> bool:
        """An operator's word holds once: behind a crash nobody knows whether the rerun had begun."""
        return resumed is not None and resumed.sequence >= self._bench.recorder.since

    async def close(self, ended: Ended) -> None:
        """Record an attempt's end; one that is no longer wanted is only observed."""
        self._live.pop(ended.path, None)
        bench = self._bench
        run = bench.state.runs.get(ended.path)
        if run is None or not run.open or run.attempts != ended.attempt:
            bench.record(
                lambda sequence, at: StaleResultDropped(
                    sequence=sequence, at=at, path=ended.path, attempt=ended.attempt, outcome=ended.outcome
                )
            )
            return
        found = locate(bench.flow, bench.state.branches, ended.path)
        assert found is not None, f"{ended.path} left the plan while it ran"
        await self._returned(found[0], ended)

    async def _again(self, task: Task, place: Place, begun: TaskStarted) -> None:
        """The same attempt once more, with the same attempt key.

        Properties are taken as recorded; only where the record had to mask a secret they are rendered again,
        with the recorded draws.
        """
        bench = self._bench
        properties: Any = begun.properties
        if begun.secrets:
            rendered = await rendering(
                lambda: bench.renderer.again(bench.state, task, place, task.properties, begun.ambient)
            )
            properties = rendered.value or {}
        try:
            kind = instance_of(task, properties)
        except TaskFailed as error:
            failure = Failure(message=str(error), kind=error.kind)
            ended = Ended(path=begun.path, attempt=begun.attempt, outcome="error", error=failure)
            await self._returned(task, ended)
            return
        await self._run(task, kind, begun.path, begun.attempt, begun.timeout)

    async def _run(self, task: Task, kind: TaskKind, path: str, attempt: int, timeout: int) -> None:
        context = self._context(task, path, attempt)
        if kind.instant:
            await self._returned(task, await run_attempt(kind, context, timeout=timeout))
        else:
            self._live[path] = trio.CancelScope()
            await self._bench.recorder.append()
            self._nursery.start_soon(self._attempt, kind, context, timeout)

    async def _attempt(self, kind: TaskKind, context: AttemptContext, timeout: int) -> None:
        """An outside effect begins only after its TaskStarted is durable."""
        ended = Ended(path=context.path, attempt=context.attempt, outcome="killed", error=KILLED)
        with self._live[context.path]:
            if kind.effect_of() != "pure":
                await self._bench.recorder.barrier()
            with self._bench.ports.effects.counted(kind.effect_of()):
                ended = await run_attempt(kind, context, timeout=timeout)
        await self._outbox.send(ended)

    async def _wanted(self, task: Task, place: Place, attempt: int) -> bool:
        """Render `runIf`; a false one closes the attempt as skipped, a broken one as failed."""
        bench = self._bench
        rendered = await rendering(lambda: bench.renderer.task(bench.state, task, place, task.run_if))
        if rendered.failure is None and truthy(rendered.value):
            return True
        path = place.path(task)
        shown = rendered._replace(value={"runIf": rendered.value or ""})
        await self._started(task, path, attempt, shown, "pure", 0)
        outcome: Outcome = "skipped" if rendered.failure is None else "not_started"
        await self._returned(task, Ended(path=path, attempt=attempt, outcome=outcome, error=rendered.failure))
        return False

    async def _timeout(self, task: Task, place: Place) -> tuple[int, Failure | None]:
        if task.timeout is None:
            return 0, None
        bench = self._bench
        rendered = await rendering(lambda: bench.renderer.task(bench.state, task, place, task.timeout))
        if rendered.failure is not None:
            return 0, rendered.failure
        try:
            return bounded_duration(rendered.value), None
        except DurationInvalid as error:
            return 0, Failure(message=f"timeout: {error}", kind="InvalidProperty")

    def _context(self, task: Task, path: str, attempt: int) -> AttemptContext:
        bench = self._bench
        return AttemptContext(
            execution=bench.id,
            namespace=bench.flow.namespace,
            path=path,
            attempt=attempt,
            generation=bench.state.generation,
            level=task.log_level,
            ports=bench.ports,
            mask=bench.masker.text,
        )

    async def _started(
        self, task: Task, path: str, attempt: int, rendered: Rendered, effect: Effect, timeout: int
    ) -> None:
        bench = self._bench
        properties = await rendering(lambda: bench.masker.data(rendered.value))
        bench.record(
            lambda sequence, at: TaskStarted(
                sequence=sequence,
                at=at,
                task=task.id,
                path=path,
                attempt=attempt,
                task_type=task.kind.types[0],
                effect=effect,
                properties=properties or {},
                ambient=rendered.drawn,
                secrets=rendered.secrets,
                timeout=timeout,
            )
        )

    async def _returned(self, task: Task, ended: Ended) -> None:
        bench = self._bench
        run, received = bench.state.runs[ended.path], bench.state.received
        assert received is not None
        exiting, now = bool(ended.exit_state), bench.recorder.now()
        settled = settle(task, run, ended.outcome, exiting=exiting, now=now, seed=received.seed)
        lines = ended.logs
        if ended.outcome in FAILURES and ended.error is not None:
            lines += (bench.line(ended.path, ended.error.message, attempt=ended.attempt, number=len(lines)),)
        sequence = bench.state.sequence
        event = await rendering(
            lambda: at_task(
                bench,
                task.id,
                TaskReturned(
                    sequence=sequence,
                    at=now,
                    task=task.id,
                    path=ended.path,
                    attempt=ended.attempt,
                    outcome=ended.outcome,
                    next=settled.next,
                    outputs=bench.masker.data(dict(ended.outputs)),
                    error=bench.masked(ended.error),
                    retry_at=settled.retry_at,
                    exit_state=ended.exit_state,
                    duration=max(0, now - run.started),
                    log=log_reference(lines),
                    metrics=ended.metrics,
                    response=ended.response if received.wait else None,
                ),
            )
        )
        bench.log(*lines)
        bench.record(lambda _sequence, _at: event)
        if ended.labels:
            labels = {name: bench.masker.text(value) for name, value in ended.labels.items()}
            bench.record(lambda sequence, at: LabelsSet(sequence=sequence, at=at, labels=labels))


def _instance(
    task: Task, rendered: Rendered, failure: Failure | None
) -> tuple[TaskKind | None, Failure | None]:
    if rendered.failure is not None or failure is not None:
        return None, rendered.failure or failure
    try:
        return instance_of(task, rendered.value), None
    except TaskFailed as error:
        return None, Failure(message=str(error), kind=error.kind)


def _settled_by_hand(path: str, attempt: int, choice: str, outputs: dict[str, Any]) -> Ended:
    if choice == "accept":
        return Ended(path=path, attempt=attempt, outcome="ok", outputs=outputs)
    failure = Failure(message="an operator settled the attempt in doubt as failed", kind="InDoubt")
    return Ended(path=path, attempt=attempt, outcome="error", error=failure)
