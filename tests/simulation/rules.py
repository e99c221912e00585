"""What holds for every run, read off the disk alone: order, limits, times, what ends start, who waits for what.

`Story` reads the journal once; each rule returns what breaks it, in words.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from hookledger.journal.entry import SYSTEM, Entry
from hookledger.journal.events import (
    BranchTaken,
    ChildReturned,
    ChildStarted,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionPaused,
    ExecutionRestarted,
    ExecutionResumed,
    KillRequested,
    TaskReturned,
    TaskStarted,
    TimerFired,
    TimerSet,
)
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.state import State, fold
from hookledger.runtime.triggers.after_flow import AfterFlowSettings

WORK: Final = (TaskStarted, BranchTaken, TimerSet, ChildStarted)
"""What only an execution does that has its turn."""
SECOND: Final = 1_000_000


def _works(event: Any) -> bool:
    """A Pause task is work as well; an operator's pause is not."""
    return isinstance(event, WORK) or (isinstance(event, ExecutionPaused) and event.path != "")


class Moment(msgspec.Struct, frozen=True):
    """One event where it stands."""

    execution: str
    event: Any
    position: int
    seconds: float
    """When its entry was appended, of trio's clock, which no step of the wall clock moves."""
    state: State
    """After the event."""


class Story:
    """A whole journal, told once."""

    def __init__(
        self,
        entries: list[Entry],
        appended: Callable[[Entry], float],
        flows: dict[str, Flow],
        *,
        began: list[float],
        slack: float,
        clock_set: bool,
    ) -> None:
        self.flows = flows
        self.began = began
        """When each process began, seconds."""
        self.slack = slack
        """How late things may be that wait for the store, seconds."""
        self.clock_set = clock_set
        """Whether the wall clock was ever set: then its times say nothing about durations."""
        self.moments: list[Moment] = []
        self.states: dict[str, State] = {}
        for entry in entries:
            if entry.header.exec != SYSTEM:
                self._take(entry, appended(entry))
        self.of: dict[str, list[Moment]] = {}
        for moment in self.moments:
            self.of.setdefault(moment.execution, []).append(moment)

    def _take(self, entry: Entry, seconds: float) -> None:
        execution = entry.header.exec
        for event in entry.events():
            state = fold(self.states.get(execution, State()), event)  # type: ignore[arg-type]
            self.states[execution] = state
            self.moments.append(Moment(execution, event, entry.header.pos, seconds, state))

    def flow_of(self, execution: str) -> str:
        """Its flow's id."""
        received = self.states[execution].received
        assert received is not None
        return received.flow


class Place:
    """One execution of a limited flow, on its way through the queue."""

    def __init__(self, arrived: Moment) -> None:
        received = arrived.state.received
        assert received is not None
        self.at = arrived.event.at
        self.seconds = arrived.seconds
        self.begun = self.ended = self.killed = self.paused = False
        self.later = received.not_before > received.at

    @property
    def waits(self) -> bool:
        return not (self.begun or self.ended or self.killed or self.paused or self.later)


def queues(story: Story) -> Iterator[str]:
    """Limits hold at every moment; who came first begins first; a free place is taken at once."""
    for name, flow in story.flows.items():
        if flow.concurrency is not None:
            moments = [moment for moment in story.moments if story.flow_of(moment.execution) == name]
            yield from _queue(story, name, flow.concurrency.limit, flow.concurrency.behavior, moments)


def _queue(story: Story, name: str, limit: int, behavior: str, moments: list[Moment]) -> Iterator[str]:
    places: dict[str, Place] = {}
    full = 0.0
    """When the last place was last taken or given back, seconds."""
    for moment in moments:
        place = places.setdefault(moment.execution, Place(moment))
        running = [one for one in places.values() if one.begun and not one.ended]
        match moment.event:
            case ExecutionRestarted():
                places[moment.execution] = Place(moment)
            case KillRequested():
                place.killed = True
            case ExecutionPaused(path=""):
                place.paused = True
            case ExecutionResumed(path=""):
                place.paused, place.seconds = False, moment.seconds
            case event if _works(event) and not place.begun and not place.killed:
                if len(running) >= limit:
                    yield f"{moment.execution} of {name} began beside {len(running)} others; its limit is {limit}"
                if behavior == "QUEUE" and not place.later and not story.clock_set:
                    before = [one for one in places.values() if one.waits and one.at < place.at]
                    if len(running) + len(before) >= limit and before:
                        yield f"{moment.execution} of {name} began before {len(before)} that had come before it"
                calm = not any(one.paused or one.later for one in places.values())
                since = max(place.seconds, full, *(began for began in story.began if began <= moment.seconds))
                if calm and moment.seconds - since > story.slack:
                    yield f"{moment.execution} of {name} began {moment.seconds - since:g} s after it could have"
                place.begun = True
                if len(running) + 1 >= limit:
                    full = moment.seconds
            case event if event.terminal:
                if not story.clock_set:
                    yield from _refused(story, moment, name, limit, moments)
                if place.begun and len(running) >= limit:
                    full = moment.seconds
                place.ended = True
            case _:
                pass


def _refused(story: Story, moment: Moment, name: str, limit: int, moments: list[Moment]) -> Iterator[str]:
    """One that was one too many really was; a place is free once the end before is durable."""
    event = moment.event
    over = isinstance(event, ExecutionCancelled) and "limit" in event.reason
    over |= isinstance(event, ExecutionFailed) and event.error.kind == "ConcurrencyLimit"
    if not over:
        return
    before = {
        one.execution for one in moments if one.event.at <= event.at and one.position <= moment.position + 50
    }
    past = moment.seconds - story.slack
    ended = {one.execution for one in moments if one.event.terminal and one.seconds < past}
    restarted = {one.execution for one in moments if isinstance(one.event, ExecutionRestarted)}
    if len((before - ended | restarted) - {moment.execution}) < limit:
        yield f"{moment.execution} of {name} was refused although fewer than {limit} were open"


def times(story: Story) -> Iterator[str]:
    """Sleeps and retries end when they were due, neither sooner nor, over a restart, much later."""
    for execution, moments in story.of.items():
        set_at: dict[str, Moment] = {}
        retries: dict[str, Moment] = {}
        held = [moment for moment in moments if isinstance(moment.event, ExecutionPaused | KillRequested)]
        for moment in moments:
            match moment.event:
                case ExecutionRestarted():
                    set_at.clear()
                    retries.clear()
                case TimerSet(path=path):
                    if path in set_at:
                        yield f"{execution}: the wait of {path} began anew"
                    set_at[path] = moment
                case TimerFired(path=path) if path in set_at:
                    yield from _on_time(
                        story, moment, set_at[path], set_at[path].event.due, f"the wait of {path}", held
                    )
                case TaskReturned(path=path, next="retry"):
                    retries[path] = moment
                case TaskStarted(path=path) if path in retries:
                    before = retries.pop(path)
                    yield from _on_time(
                        story, moment, before, before.event.retry_at, f"the retry of {path}", held
                    )
                case _:
                    pass


def _on_time(
    story: Story, moment: Moment, before: Moment, due: int, what: str, held: list[Moment]
) -> Iterator[str]:
    wanted = (due - before.event.at) / SECOND
    if not story.clock_set and moment.event.at < due:
        yield f"{moment.execution}: {what} was over {(due - moment.event.at) / SECOND:g} s early"
    one_life = not any(before.seconds < began <= moment.seconds for began in story.began)
    if (story.clock_set and not one_life) or held:
        return
    late = moment.seconds - before.seconds - wanted
    if late > story.slack:
        yield f"{moment.execution}: {what} was over {late:g} s late"
    if one_life and late < -story.slack:
        yield f"{moment.execution}: {what} was over {-late:g} s early"


def follow_ups(story: Story) -> Iterator[str]:
    """Every end starts what it triggers exactly once: counted, not looked up."""
    started: Counter[tuple[str, str, str]] = Counter()
    for state in story.states.values():
        received = state.received
        assert received is not None
        if received.trigger_type.endswith(".Flow") and not received.original:
            started[received.variables["executionId"], received.flow, received.trigger] += 1
    wanted: Counter[tuple[str, str, str]] = Counter()
    for moment in story.moments:
        if moment.event.terminal:
            for flow, trigger, settings in _after_flows(story):
                if flow != story.flow_of(moment.execution) and _follows(settings, moment.state):
                    wanted[moment.execution, flow, trigger] += 1
    for key in started.keys() | wanted.keys():
        if not min(1, wanted[key]) <= started[key] <= wanted[key]:
            yield f"{key[0]} started {key[1]} by {key[2]} {started[key]} times for {wanted[key]} ends"
    yield from _tries(story)


def _follows(settings: AfterFlowSettings, ended: State) -> bool:
    received = ended.received
    assert received is not None
    return settings.matches(received.namespace, received.flow, ended.status, ended.labels)


def _after_flows(story: Story) -> list[tuple[str, str, AfterFlowSettings]]:
    return [
        (name, trigger.id, trigger.settings)
        for name, flow in story.flows.items()
        for trigger in flow.triggers
        if isinstance(trigger.settings, AfterFlowSettings)
    ]


def _tries(story: Story) -> Iterator[str]:
    """A failed flow's next try: each number once for one original."""
    tries: Counter[tuple[str, int]] = Counter()
    for state in story.states.values():
        received = state.received
        assert received is not None
        if received.original:
            tries[received.original, received.attempt] += 1
    for (original, attempt), count in tries.items():
        if count != 1:
            yield f"try {attempt} of {original} was started {count} times"
    for execution, state in story.states.items():
        received = state.received
        assert received is not None
        next_try = (received.original or execution, received.attempt + 1)
        if getattr(state.terminal, "retry_at", 0) and not tries[next_try]:
            yield f"{execution} failed and was not tried again"


def children(story: Story) -> Iterator[str]:
    """Every child that was promised is there, once, and its parent heard what it came to."""
    for moment in story.moments:
        match moment.event:
            case ChildStarted(child=child) if child not in story.states:
                yield f"{moment.execution} lacks its child {child}"
            case ChildReturned(child=child, state=state):
                ends = {one.state.status for one in story.of.get(child, ()) if one.event.terminal}
                if state not in ends:
                    yield f"{moment.execution} heard {state} of {child}, which came to {sorted(ends)}"
            case _:
                pass


RULES: Final = (queues, times, follow_ups, children)


def broken(story: Story) -> list[str]:
    """Everything that breaks a rule."""
    return [words for rule in RULES for words in rule(story)]
