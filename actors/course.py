"""Follows one execution with its flow: was each event wanted, and does it say what comes out when it is made again?

Commands are asked for before each event; what was asked for and not yet carried out counts as well.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from hookledger.actors.again import Again, Surroundings, plain, undrawn
from hookledger.actors.rendering import Rendered
from hookledger.journal.errors import JournalGap
from hookledger.journal.events import (
    AnyEvent,
    BranchTaken,
    ChildStarted,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionForked,
    ExecutionKilled,
    ExecutionPaused,
    ExecutionRestarted,
    ExecutionResumed,
    OutputsResolved,
    ResultSettled,
    TaskReturned,
    TaskStarted,
    Terminal,
    TimerFired,
    TimerSet,
    TriggerReceived,
    type_name,
)
from hookledger.journal.verify.meaning import Course
from hookledger.journal.verify.report import Finding
from hookledger.runtime.decide import decide
from hookledger.runtime.flow.model import Flow, Task
from hookledger.runtime.locate import locate
from hookledger.runtime.plan import (
    AwaitEvent,
    BeginDeadline,
    BeginWait,
    Command,
    EndWait,
    Finish,
    FinishKilled,
    FireTimer,
    Place,
    Settle,
    StartAttempt,
    StartChild,
    TakeBranch,
)
from hookledger.runtime.settle import settle
from hookledger.runtime.state import State, below, fold, forked
from hookledger.runtime.tasks.base import TaskFailed

STEPS_MAX: Final = 2_000_000
"""Runs that are looked at for one execution: folding and planning look at all of them for each event."""


NO_FLOW: Final = "executions whose flow cannot be read here"
TOO_LONG: Final = "executions that are too long to be judged to their end"

Fits = Callable[[Command], bool]


class FlowCourse:
    """One execution: its state, and what its plan asked for last."""

    def __init__(self, meaning: Surroundings, execution: str) -> None:
        self._meaning = meaning
        self._execution = execution
        self._state = State()
        self._flow: Flow | None = None
        self._lost = False
        """Nothing more can be judged: the events do not follow each other, or the flow is not there."""
        self._asked: Sequence[Command] = ()
        """What is left of the commands that were carried out last."""
        self._begun: dict[str, tuple[Task, Place, Rendered]] = {}
        self._made = Again(meaning, execution)
        self._steps = 0

    def follow(self, event: AnyEvent) -> Iterator[Finding]:
        """Judge the next event and move past it."""
        if self._lost:
            return
        if self._flow is not None and not event.observation:
            judge = _JUDGES.get(type(event))
            try:
                for rule, message in judge(self, event) if judge else ():
                    yield Finding(rule, message, event.sequence)
            except (KeyError, IndexError, ValueError, AssertionError) as error:
                yield Finding("M01", f"the plan cannot be followed here: {error!r}", event.sequence)
        self.take(event)

    def take(self, event: AnyEvent) -> None:
        """Move past an event."""
        if self._lost:
            return
        try:
            self._state = fold(self._state, event)  # type: ignore[arg-type]
        except (JournalGap, KeyError, AssertionError):
            self._lose("")  # the rules of structure and life cycle name it
            return
        self._made.see(event)
        self._spend()
        match event:
            case TriggerReceived():
                self._pin(event, event.source_sha256)
            case ExecutionForked():
                self._pin(event.received, event.received.source_sha256)
            case ExecutionRestarted():
                self._asked = ()
                received = self._state.received
                if received is not None:
                    self._pin(received, event.source_sha256)
            case _:
                pass

    def fork(self, origin: Course, event: ExecutionForked) -> None:
        """Begin with what another one had."""
        assert isinstance(origin, FlowCourse)
        self._lost, self._made.secret = origin._lost, origin._made.secret
        self._state = forked(origin._state, event)

    def finish(self, now: int) -> Iterator[Finding]:
        """An open execution must wait for something that has a name."""
        state = self._state
        if self._lost or self._flow is None or state.received is None or state.terminal is not None:
            return
        if not self._decided(max(now, state.at)):
            yield Finding("M05", "it is open, and nothing of its plan waits for anything")

    # --- what is asked for ------------------------------------------------------------------------------------

    def _wanted(self, event: AnyEvent, fits: Fits) -> Command | None:
        """The command that an event carries out.

        Commands are carried out in their order without asking again in between, so what is left of the last ones is
        looked at first; time may have passed between asking and recording.
        """
        for commands in self._lists(event.at):
            for place, command in enumerate(commands):
                if fits(command):
                    self._asked = commands[place + 1 :]
                    return command
        return None

    def _lists(self, at: int) -> Iterator[Sequence[Command]]:
        yield self._asked
        yield self._decided(at)
        if at != self._state.at:
            yield self._decided(self._state.at)

    def _decided(self, now: int) -> Sequence[Command]:
        assert self._flow is not None
        self._spend()
        return decide(self._flow, self._state, now)

    def _unwanted(self, event: AnyEvent, fits: Fits, what: str) -> "Broken":
        if self._wanted(event, fits) is None:
            yield "M01", f"{type_name(event)}{what}, which its flow does not ask for here"

    def _at(self, event: Any, *kinds: type[Command]) -> Fits:
        """Commands of these kinds for the task at the event's path."""
        return lambda command: isinstance(command, kinds) and _path(command) == event.path

    # --- one judge per event ----------------------------------------------------------------------------------

    def _task_started(self, event: TaskStarted) -> "Broken":
        def fits(command: Command) -> bool:
            return (
                isinstance(command, StartAttempt)
                and (command.place.path(command.task), command.task.id) == (event.path, event.task)
                and command.attempt == event.attempt
            )

        command = self._wanted(event, fits)
        if not isinstance(command, StartAttempt):
            yield (
                "M01",
                f"attempt {event.attempt} of `{event.path}` begins, which its flow does not ask for here",
            )
            return
        task, place = command.task, command.place
        skipping = task.run_if is not None and event.properties.keys() == {"runIf"}
        tree = task.run_if if skipping else task.properties
        rendered = self._made.task(self._state, task, place, tree, event.ambient)
        if rendered is None:
            return
        value: Any = {"runIf": rendered.value or ""} if skipping else rendered.value or {}
        if undrawn(rendered.failure) or plain(value) != event.properties:
            yield "M03", f"the properties of `{event.path}` are not those that rendering gives"
        elif not skipping:
            self._begun[event.path] = task, place, rendered

    def _task_returned(self, event: TaskReturned) -> "Broken":
        assert self._flow is not None
        found, run, received = (
            locate(self._flow, self._state.branches, event.path),
            self._state.runs[event.path],
            self._state.received,
        )
        begun = self._begun.pop(event.path, None)
        if found is None or received is None:
            yield "M01", f"`{event.path}` returned, which its flow does not have"
            return
        possible = {
            settle(
                found[0], run, event.outcome, exiting=bool(event.exit_state), now=now, seed=received.seed
            ).next
            for now in (self._state.at, event.at)
        }
        if event.next not in possible:
            yield "M02", f"`{event.path}` goes on with `{event.next}`, its task says `{possible.pop()}`"
        if begun is not None and (
            event.outcome == "ok" or (event.outcome == "error" and not begun[0].timeout)
        ):
            yield from self._run_again(event, *begun)

    def _run_again(self, event: TaskReturned, task: Task, place: Place, rendered: Rendered) -> "Broken":
        """What a pure task makes of its properties is known without the world."""
        del place
        ended = self._made.outcome(self._state, event, task, rendered)
        if ended is None:
            return
        if ended.outcome != event.outcome or plain(dict(ended.outputs)) != event.outputs:
            yield "M04", f"the outcome and outputs of `{event.path}` are not those of its task run again"

    def _branch_taken(self, event: BranchTaken) -> "Broken":
        command = self._wanted(event, self._at(event, TakeBranch, BeginWait, BeginDeadline, StartChild))
        if command is None:
            yield "M01", f"`{event.path}` chose, which its flow does not ask for here"
        elif isinstance(command, TakeBranch) and not (event.error or event.skipped or event.round):
            yield from self._chosen(event, command)

    def _chosen(self, event: BranchTaken, command: TakeBranch) -> "Broken":
        try:
            made = self._made.choice(self._state, command.task, command.place, event.ambient)
        except TaskFailed:
            made = ("nothing",)
        if made is not None and made != (event.chosen, event.values, event.outputs):
            yield "M03", f"the choice of `{event.path}` is not the one that rendering gives"

    def _child_started(self, event: ChildStarted) -> "Broken":
        command = self._wanted(event, self._at(event, StartChild))
        if not isinstance(command, StartChild):
            yield "M01", f"`{event.path}` starts a subflow, which its flow does not ask for here"
            return
        made = self._made.subflow(self._state, command.task, command.place)
        if made is not None and not _same_child(event, *made):
            yield "M03", f"the subflow of `{event.path}` is not the one that rendering gives"

    def _timer_set(self, event: TimerSet) -> "Broken":
        kinds = (BeginDeadline,) if event.origin == "timeout" else (BeginWait,)
        return self._unwanted(event, self._at(event, *kinds), f" of `{event.path}`")

    def _timer_fired(self, event: TimerFired) -> "Broken":
        return self._unwanted(event, self._at(event, FireTimer), f" of `{event.path}`")

    def _paused(self, event: ExecutionPaused) -> "Broken":
        if event.reason == "operator":
            self._asked = ()
            return
        kind = BeginWait if event.reason == "task" else AwaitEvent
        yield from self._unwanted(event, self._at(event, kind), f" at `{event.path}`")

    def _resumed(self, event: ExecutionResumed) -> "Broken":
        if event.by != "engine:timer":
            self._asked = ()
            return

        def fits(command: Command) -> bool:
            late = isinstance(command, FireTimer) and command.late and below(event.path, command.path)
            return late or (isinstance(command, EndWait) and command.path == event.path)

        command = self._wanted(event, fits)
        if command is None:
            yield "M01", f"the wait at `{event.path}` ends by itself, which its flow does not ask for here"
        elif isinstance(command, FireTimer):
            self._asked = (command, *self._asked)  # the timer that ends several waits is recorded behind them

    def _settled(self, event: ResultSettled) -> "Broken":
        command = self._wanted(event, lambda command: isinstance(command, Settle))
        if not isinstance(command, Settle):
            yield "M01", "its result is settled, where its flow asks for something else first"
            return
        yield from self._reached(event.state, command.state, event.outputs, event.ambient)

    def _ended_flow(self, event: Terminal) -> "Broken":
        if self._refused(event):
            return
        command = self._wanted(event, lambda command: isinstance(command, Finish | FinishKilled))
        if command is None:
            yield "M01", f"{type_name(event)}, where its flow asks for something else first"
            return
        told = event.state if isinstance(event, OutputsResolved) else _STATES[type(event)]
        outputs: dict[str, Any] | None = getattr(event, "outputs", None)
        settled = self._state.settled
        if settled is None:
            asked = command.state if isinstance(command, Finish) else "KILLED"
            yield from self._reached(told, asked, outputs, getattr(event, "ambient", ()))
        elif isinstance(command, Finish) and (told, outputs or {}) != (
            _shown(settled.state),
            settled.outputs,
        ):
            yield "M01", f"it ended {told}, or with other outputs than it had settled for"
        elif isinstance(command, FinishKilled) and told != "KILLED":
            yield "M01", f"it ended {told}, its flow asks for KILLED"

    def _reached(
        self, told: str, asked: str, outputs: dict[str, Any] | None, drawn: Sequence[Mapping[str, Any]]
    ) -> "Broken":
        """Outputs that cannot be rendered make a good end a bad one; what was stopped or is tried again has none."""
        state = self._state
        has_outputs = state.kill is None and not state.exit_state and asked != "RETRIED"
        made = self._made.outputs(state, drawn) if has_outputs else ({}, None)
        if made is None:
            if _shown(told) not in (_shown(asked), "FAILED"):
                yield "M01", f"it ended {told}, its flow asks for {asked}"
            return
        expected, failure = made
        reached = "FAILED" if failure is not None else asked
        if undrawn(failure):
            yield "M03", "rendering the outputs draws what was not recorded"
        elif _shown(told) != _shown(reached):
            yield "M01", f"it ended {told}, its flow asks for {reached}"
        elif outputs is not None and outputs != expected:
            yield "M03", "the outputs are not those that rendering gives"

    def _refused(self, event: Terminal) -> bool:
        """One too many for its flow's concurrency limit ends at once, before anything began."""
        assert self._flow is not None
        begun = self._state.runs or self._state.branches
        return (
            self._flow.concurrency is not None
            and not begun
            and (
                isinstance(event, ExecutionCancelled)
                or (isinstance(event, ExecutionFailed) and event.error.kind == "ConcurrencyLimit")
            )
        )

    def _pin(self, received: TriggerReceived, sha256: str) -> None:
        revision = self._state.revision
        self._flow = self._meaning.flow(received.namespace, received.flow, revision, sha256)
        if self._flow is None:
            self._lose(NO_FLOW)
        else:
            self._made.pin(self._flow, received)

    def _spend(self) -> None:
        self._steps += len(self._state.runs) + 1
        if self._steps > STEPS_MAX and not self._lost:
            self._lose(TOO_LONG)

    def _lose(self, reason: str) -> None:
        self._lost = True
        if reason:
            self._meaning.skipped[reason] += 1


Broken = Iterator[tuple[str, str]]
"""Rule and message."""


def _path(command: Command) -> str:
    if isinstance(command, StartAttempt | TakeBranch | StartChild | BeginWait | BeginDeadline):
        return command.place.path(command.task)
    return getattr(command, "path", "")


def _same_child(event: ChildStarted, namespace: str, flow: str, inputs: Mapping[str, Any]) -> bool:
    """What its flow does not declare is not handed to it."""
    handed = {name: inputs.get(name) for name in event.inputs.keys() & inputs.keys()}
    return (namespace, flow) == (event.namespace, event.flow) and all(
        event.inputs[name] == value for name, value in handed.items()
    )


def _shown(state: str) -> str:
    """One that another execution takes the place of has failed."""
    return "FAILED" if state == "RETRIED" else state


_STATES: Final[Mapping[type, str]] = {
    ExecutionFailed: "FAILED",
    ExecutionKilled: "KILLED",
    ExecutionCancelled: "CANCELLED",
}
_JUDGES: Final[Mapping[type, Callable[[FlowCourse, Any], Broken]]] = {
    TaskStarted: FlowCourse._task_started,
    TaskReturned: FlowCourse._task_returned,
    BranchTaken: FlowCourse._branch_taken,
    ChildStarted: FlowCourse._child_started,
    TimerSet: FlowCourse._timer_set,
    TimerFired: FlowCourse._timer_fired,
    ExecutionPaused: FlowCourse._paused,
    ExecutionResumed: FlowCourse._resumed,
    ResultSettled: FlowCourse._settled,
    OutputsResolved: FlowCourse._ended_flow,
    ExecutionFailed: FlowCourse._ended_flow,
    ExecutionKilled: FlowCourse._ended_flow,
    ExecutionCancelled: FlowCourse._ended_flow,
}
