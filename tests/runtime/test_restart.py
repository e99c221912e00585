"""What a restart forgets, and that a restarted execution comes to an end like any other."""

from collections.abc import Iterator

from hypothesis import example, given, settings
from hypothesis import strategies as st

from hookledger.journal.events import ExecutionEvent, ExecutionRestarted, TaskStarted
from hookledger.journal.verify.lifecycle import Life, Order
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.plan import Place, Planner
from hookledger.runtime.restart import AFTERMATH, redone
from hookledger.runtime.state import State, below, fold, fold_all
from tests.runtime.driving import Driver
from tests.runtime.histories import made_flow

KEPT = ("SUCCESS", "WARNING", "SKIPPED")


def restarted(seed: int) -> Iterator[tuple[Flow, State, State, list[ExecutionEvent]]]:
    """Run a random flow to an end and open it again, up to three times: before, behind, and all that happened then."""
    flow = made_flow(seed)
    driver = Driver(flow, seed)
    driver.run()
    for _ in range(3):
        before, count = driver.state, len(driver.events)
        if before.status == "SUCCESS":
            return
        driver.restart()
        behind = driver.state
        driver.run()
        yield flow, before, behind, driver.events[count:]


def aftermath(flow: Flow) -> set[str]:
    """Ids of everything that stands in an `errors`, a `finally` or an `afterExecution`."""
    blocks = [flow.errors, flow.finally_, flow.after_execution]
    blocks += [task.block(name) for task in flow.walk() for name in AFTERMATH]
    return {inner.id for block in blocks for task in block for inner in task.walk()}


def ids(path: str) -> list[str]:
    """Of the tasks a path goes through."""
    return [segment.partition("[")[0] for segment in path.split("/")]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1_000_000))
def test_what_had_finished_stays_and_is_never_begun_again(seed: int) -> None:
    """
    A run that ended well, wherever it stands, is kept with its result and not started again; only what follows a
    failure (`errors`, `finally`), a loop that gave up, and the Exit that cut the flow short are done once more.
    """
    for flow, before, behind, events in restarted(seed):
        gave_up = [path for path, taken in before.branches.items() if taken.chosen == "failed"]
        begun = {event.path for event in events if isinstance(event, TaskStarted)}
        for path, run in before.runs.items():
            excused = (before.exit_path, *gave_up)
            if run.state not in KEPT or any(root and below(path, root) for root in excused):
                continue
            if not aftermath(flow) & set(ids(path)):
                assert behind.runs[path] == run
                assert path not in begun


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1_000_000))
def test_nothing_that_failed_is_left_in_the_way(seed: int) -> None:
    """
    Behind a restart the plan has no failure, nothing is open or waits for a time of the life before, and it goes on.
    """
    for flow, _, behind, _events in restarted(seed):
        progress = Planner(state=behind, now=behind.at).sequence(flow.tasks, Place())
        assert progress.failures == ()
        assert not behind.pauses
        assert not behind.timers
        assert not behind.open_runs()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1_000_000))
def test_a_history_with_restarts_keeps_the_rules(seed: int) -> None:
    """
    The verifier finds nothing in it, and it folds to the same state from every cut.
    """
    flow = made_flow(seed)
    driver = Driver(flow, seed)
    driver.run()
    for _ in range(3):
        if driver.state.status != "SUCCESS":
            driver.restart()
            driver.run()
    order, life = Order(), Life()
    for event in driver.events:
        assert [*order.follow(type(event).__name__), *life.follow(event)] == []
    before = State()
    for cut, event in enumerate(driver.events):
        assert fold_all(driver.events[cut:], before) == driver.state
        before = fold(before, event)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1_000_000))
@example(7568)  # a block that was late before anything in it had begun
def test_a_restart_names_only_what_there_is(seed: int) -> None:
    """
    Every path it forgets is, or holds, something of the execution; none is inside another choice that is made again.
    """
    for _, before, _, events in restarted(seed):
        (event,) = [event for event in events if isinstance(event, ExecutionRestarted)]
        present = {*before.runs, *before.branches, *before.children, *before.timers, *before.fired}
        present |= {*before.pauses, *before.resumed, *before.expired}
        for path in (*event.paths, *event.again):
            assert any(below(one, path) for one in present), path


def test_nothing_is_forgotten_of_a_flow_that_went_well() -> None:
    """
    Without a failure, a wait or an Exit there is nothing to do again.
    """
    flow = made_flow(3)
    assert redone(flow, State()) == ((), ())
