"""Golden flows, crashed at every append, commit and effect."""

import pytest
from msgspec.structs import replace

from hookledger.journal.events import ExecutionPaused
from tests.simulation import cases
from tests.simulation.crashes import attempts, compare, crashed, every_crash, outcomes, undisturbed
from tests.simulation.faults import COMMITTED, EFFECTED, Faults
from tests.simulation.play import Play
from tests.simulation.world import World


@pytest.mark.parametrize("name", cases.names())
def test_a_crash_at_any_step_changes_no_outcome(name: str, request: pytest.FixtureRequest) -> None:
    """
    Crashed at any append, commit or effect, a flow ends as it would have: same outputs, same attempts, nothing
    acknowledged is lost, and every rule of the verifier holds.
    """
    seed = request.config.getoption("--sim-seed") or 1
    case = cases.load(name)
    calm = undisturbed(case, seed)
    for number, _, world in every_crash(case, seed):
        compare(case, seed, (number,), world, calm)


@pytest.mark.parametrize("name", ["effects", "sleep", "retry_constant"])
def test_two_crashes_change_no_outcome(name: str) -> None:
    """
    A second crash while the first is being recovered from changes nothing either.
    """
    case = cases.load(name)
    calm = undisturbed(case, 1)
    last = len(calm.fate.steps)
    for first in range(0, last, 4):
        for second in range(first + 1, last, 5):
            compare(case, 1, (first, second), crashed(case, 1, first, second), calm)


@pytest.mark.parametrize(
    ("choice", "status"), [("rerun", "SUCCESS"), ("accept", "FAILED"), ("fail", "FAILED")]
)
def test_an_interrupted_write_waits_for_an_operator(choice: str, status: str) -> None:
    """
    A write that a crash interrupted is in doubt: it pauses, and only the operator's word settles it. Accepted
    without outputs, the flow's own outputs lack the value; accepted or failed, the write is not done again.
    """
    case = cases.load("effects")
    calm = undisturbed(case, 1)
    step = [step.number for step in calm.fate.steps if step.kind == EFFECTED][-1]
    told = replace(case, script=replace(case.script, choice=choice))
    world = Play(World(1, Faults(crash_at=frozenset({step}))), told).run()
    world.check()
    (state,) = world.states().values()
    pauses = [e for entry in world.entries() for e in entry.events() if isinstance(e, ExecutionPaused)]
    assert [(pause.path, pause.reason) for pause in pauses] == [("writes", "in_doubt")]
    assert state.status == status
    writes = [effect.key for effect in world.outside.effects if effect.effect == "write"]
    assert len(writes) == (2 if choice == "rerun" else 1)
    assert len(set(writes)) == 1


def test_an_interrupted_rerun_is_in_doubt_again() -> None:
    """
    The operator's `rerun` holds once: a crash during the rerun asks again, because it may have taken effect.
    """
    case = cases.load("effects")
    first = [step.number for step in undisturbed(case, 1).fate.steps if step.kind == EFFECTED][-1]
    once = crashed(case, 1, first)
    second = [step.number for step in once.fate.steps if step.kind == EFFECTED][-1]
    world = crashed(case, 1, first, second)
    world.check()
    pauses = [e for entry in world.entries() for e in entry.events() if isinstance(e, ExecutionPaused)]
    assert [pause.reason for pause in pauses] == ["in_doubt", "in_doubt"]
    assert outcomes(world) == outcomes(undisturbed(case, 1))


def test_a_failing_commit_stops_everything_and_recovery_goes_on() -> None:
    """
    A failed commit poisons the partition whether its bytes landed or not; after a restart the outcome is the same.
    """
    case = cases.load("sequential")
    calm = undisturbed(case, 1)
    commits = sum(step.kind == COMMITTED for step in calm.fate.steps)
    for lands in (True, False):
        for number in range(commits):
            faults = Faults(poison_at=frozenset({number}), poison_lands=lands)
            world = Play(World(1, faults), case).run()
            world.check()
            assert outcomes(world) == outcomes(calm), (number, lands)
            assert attempts(world) == attempts(calm), (number, lands)


@pytest.mark.parametrize("name", ["sequential", "retry_constant", "sleep"])
def test_a_clock_that_steps_back_breaks_no_rule(name: str) -> None:
    """
    A machine that wakes up with its clock three seconds behind keeps the time of entries and events in order.
    """
    case = cases.load(name)
    calm = undisturbed(case, 1)
    for step in calm.fate.steps:
        faults = Faults(crash_at=frozenset({step.number}), clock_steps_back=True)
        compare(case, 1, (step.number,), Play(World(1, faults), case).run(), calm)
