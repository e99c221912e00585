"""The run-time rules of the flow language, each on a golden flow run through the real engine."""

from collections import Counter
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from hookledger.journal.events import TaskReturned, TaskStarted, TimerFired
from hookledger.runtime.state import State
from tests.simulation import golden
from tests.simulation.world import SECRETS, World

SECOND = 1_000_000


@cache
def _world(name: str) -> World:
    world = golden.play(name)
    world.check()
    return world


def _state(name: str, flow: str = "") -> State:
    wanted = flow or name
    (state,) = [one for one in _world(name).states().values() if one.received and one.received.flow == wanted]
    return state


def _runs(name: str) -> dict[str, str]:
    return {path: run.state for path, run in _state(name).runs.items()}


def _events(name: str, kind: type[Any]) -> list[Any]:
    return [one for entry in _world(name).entries() for one in entry.events() if isinstance(one, kind)]


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("errors", "FAILED"),
        ("allow_failure", "WARNING"),
        ("allow_warning", "SUCCESS"),
        ("retry_warns", "WARNING"),
        ("retry_used_up", "FAILED"),
        ("timeout", "FAILED"),
        ("run_if_broken", "FAILED"),
        ("switch_no_case", "FAILED"),
        ("allow_failure_block", "WARNING"),
        ("outputs_broken", "FAILED"),
        ("disabled", "SUCCESS"),
        ("exit", "WARNING"),
        ("kill", "KILLED"),
        ("pause_expires_resume", "SUCCESS"),
        ("pause_expires_warn", "WARNING"),
        ("pause_expires_fail", "FAILED"),
        ("subflow_failing", "FAILED"),
        ("subflow_not_transmitting", "SUCCESS"),
        ("subflow_warning", "WARNING"),
        ("subflow_unknown", "FAILED"),
        ("loop_until_gives_up", "FAILED"),
    ],
)
def test_final_states(name: str, status: str) -> None:
    """
    The final state is guessed over the top-level tasks: killed, else failed, else warning, else success.
    """
    assert _state(name).status == status


def test_the_errors_branch_runs_in_order_and_rescues_nothing() -> None:
    """
    Behind a failure the remaining tasks are not begun, `errors` runs in order, and the execution stays FAILED.
    """
    assert _runs("errors") == {"bad": "FAILED", "first": "SUCCESS", "second": "SUCCESS"}


def test_local_errors_come_before_those_of_the_flow() -> None:
    """
    A flowable's own errors and finally run nested under it; the flow's errors run as well, because it FAILED.
    """
    assert list(_runs("errors_local")) == ["block/bad", "block/local", "block/tidy", "alarm"]


def test_allow_failure_blocks_keep_the_flow_errors_out() -> None:
    """
    A failed child of AllowFailure is a warning, its siblings behind it are not begun, the flow's errors neither.
    """
    assert _runs("allow_failure_block") == {"soft/bad": "FAILED", "after": "SUCCESS"}


def test_run_if() -> None:
    """
    A false runIf skips the task or the whole block and the flow goes on; a broken one fails.
    """
    assert _runs("run_if") == {"skipped": "SKIPPED", "taken": "SUCCESS"}
    assert _state("run_if").branches["block"].skipped
    assert _runs("run_if_broken") == {"broken": "FAILED"}


def test_disabled_tasks_leave_no_trace() -> None:
    """
    A disabled task is not part of the plan; a block of nothing else is a success.
    """
    assert _runs("disabled") == {"only": "SUCCESS"}


def test_for_each_takes_distinct_values_as_text() -> None:
    """
    Values are de-duplicated and shown as text, anything else as compact JSON; outputs nest by value.
    """
    assert _state("for_each").branches["loop"].values == ("a", "b", "7", '{"k":1}')
    assert _state("for_each").outputs == {"of_b": "b-1!", "of_seven": "7-2!"}


def test_for_each_stops_at_the_first_failing_value() -> None:
    """
    In order, one at a time: behind a failed iteration no other begins.
    """
    assert _runs("for_each_failing") == {"loop[0]/check": "SUCCESS", "loop[1]/check": "FAILED"}


def test_for_each_side_by_side_takes_as_long_as_one() -> None:
    """
    concurrencyLimit 0 begins every iteration at once.
    """
    assert _world("for_each_parallel").outside.most_under_way == 3


def test_parallel_runs_at_most_concurrent_children() -> None:
    """
    Four children at `concurrent: 2` are two at a time, and all of them run.
    """
    assert _world("parallel").outside.most_under_way == 2
    assert _state("parallel").outputs == {"all": "abcd"}


def test_a_failing_child_leaves_its_siblings_alone() -> None:
    """
    Parallel children end by themselves; only then is the block FAILED and the flow stopped.
    """
    assert _runs("parallel_failing") == {"fan/bad": "FAILED", "fan/good": "SUCCESS"}


def test_if_and_switch() -> None:
    """
    If outputs `evaluationResult` and may have no matching branch; Switch falls back to defaults, or fails.
    """
    assert _state("if").outputs == {"size": "large false"}
    assert _state("switch").outputs == {"what": "other tag"}
    failure = _state("switch_no_case").branches["choose"].error
    assert failure is not None
    assert failure.kind == "NoCase"


def test_a_dag_child_behind_a_failed_one_never_begins() -> None:
    """
    What does not depend on the failed child still runs.
    """
    assert _runs("dag_failing") == {"build/fetch": "FAILED", "build/apart": "SUCCESS"}


def test_loop_until_waits_between_rounds_and_gives_up() -> None:
    """
    Children first, then the condition, then the interval; maxIterations with failOnMaxReached is a failure.
    """
    assert _state("loop_until").outputs == {"rounds": 3}
    begins = [event.at for event in _events("loop_until", TaskStarted)]
    assert [later - earlier for earlier, later in pairwise(begins)] == [11 * SECOND] * 2
    assert len(_runs("loop_until_gives_up")) == 3


def test_a_loop_with_run_if_still_runs_its_children_first() -> None:
    """
    runIf decides about the loop; the condition is looked at only behind a round.
    """
    assert len(_runs("loop_until_run_if")) == 2


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("retry_constant", [31, 31]), ("retry_exponential", [10, 20, 30]), ("timeout_with_retry", [65])],
)
def test_retry_delays(name: str, seconds: list[int]) -> None:
    """
    Constant and exponential delays count from the end of the failed attempt, bounded by maxInterval.
    """
    begins = [event.at for event in _events(name, TaskStarted)]
    gaps = [later - earlier for earlier, later in pairwise(begins)]
    assert gaps == [one * SECOND for one in seconds]


def test_the_retry_of_the_flow_serves_tasks_without_their_own() -> None:
    """
    maxAttempts counts the first attempt.
    """
    assert _state("retry_used_up").runs["bad"].attempts == 3


def test_a_timeout_interrupts_the_attempt_and_may_be_tried_again() -> None:
    """
    The attempt ends as `timeout` at its time, and its retry runs.
    """
    outcomes = [(event.attempt, event.outcome) for event in _events("timeout_with_retry", TaskReturned)]
    assert outcomes == [(1, "timeout"), (2, "ok")]


def test_subflows_pass_on_outputs_labels_and_trouble() -> None:
    """
    Outputs come back, labels are inherited on request and added to, a failure is transmitted unless told not to.
    """
    assert _state("subflow").outputs == {"answer": 42}
    labels = _state("subflow", "child_doubles").labels
    assert (labels["team"], labels["step"], labels["system.from"]) == ("blue", "call", "subflow")
    assert _state("subflow_not_transmitting").outputs == {"state": "FAILED"}
    assert _state("subflow_left_alone").status == "SUCCESS"


def test_a_kill_reaches_everything() -> None:
    """
    Attempts under way are closed as killed, timers and pauses are void, children that are waited for die too.
    """
    assert _runs("kill") == {"fan/slow": "KILLED"}
    assert _state("subflow_killed", "child_naps").status == "KILLED"
    assert _state("subflow_killed").status == "KILLED"


def test_an_exit_stops_what_runs_beside_it_and_nothing_follows() -> None:
    """
    Exit ends the execution in its state, which is its own run's: siblings are stopped, and neither what comes behind
    nor `finally` begins.
    """
    runs = _runs("exit")
    assert runs["fan/slow"] == "KILLED"
    assert runs["fan/leave/out"] == _state("exit").status == "WARNING"
    assert not {"never", "tidy", "sweep"} & runs.keys()


def test_after_execution_sees_the_final_state() -> None:
    """
    afterExecution runs when the state is known, sees it as `execution.state`, and does not change it.
    """
    assert _state("after_execution").runs["report"].outputs == {"value": "SUCCESS"}
    assert _state("after_execution_failing").runs["report"].outputs == {"value": "WARNING"}
    assert _state("after_execution_failing").status == "WARNING"


def test_flow_outputs_that_cannot_be_rendered_fail_the_execution() -> None:
    """
    Outputs are rendered once at the end; a failure there is the execution's, and leaves no outputs.
    """
    assert _state("outputs_broken").outputs == {}


def test_an_operators_pause_lets_attempts_end_and_begins_nothing() -> None:
    """
    The attempt under way returns during the pause; the next task begins only when somebody resumes.
    """
    paused, resumed = (
        next(at for status, at in _state("operator_pause").history if status == name)
        for name in ("PAUSED", "RUNNING")
    )
    assert paused > resumed  # RUNNING stands in the history before the pause, and again behind it
    begun = {event.path: event.at for event in _events("operator_pause", TaskStarted)}
    returned = {event.path: event.at for event in _events("operator_pause", TaskReturned)}
    assert paused < returned["slow"] < begun["after"]


def test_pause_takes_what_it_is_resumed_with() -> None:
    """
    Inputs given on resume are outputs of the Pause task, seen by its children.
    """
    assert _state("pause").outputs == {"verdict": "yes"}


def test_sleep_lasts_as_long_as_it_says() -> None:
    """
    An hour is an hour, to the microsecond on an idle machine.
    """
    history = dict(_state("sleep").history)
    assert history["SUCCESS"] - history["CREATED"] == 3600 * SECOND


def test_http_answers_are_outputs_and_redirects_are_followed() -> None:
    """
    `body`, `code` and the last `uri` are outputs; a redirect is followed by the task, not by the port.
    """
    assert _state("http_get").outputs == {"price": 12, "uri": "http://shop.sim/price"}


def test_http_failures_end_as_the_flow_says() -> None:
    """
    A status of 400 or more fails unless `allowFailed`; a body beyond its limit and a silent service are failures that
    `allowFailure` makes warnings.
    """
    assert _runs("http_failing") == {
        "broken_but_allowed": "SUCCESS",
        "huge": "WARNING",
        "silent": "WARNING",
        "broken": "FAILED",
    }
    assert _state("http_failing").outputs == {"code": 503}


def test_a_retry_keeps_its_idempotency_key_and_an_iteration_has_its_own() -> None:
    """
    The service did what the first attempt asked although its answer was lost; the retry, under the same key, is told
    so, and nothing is done twice. Each iteration of a loop is another call.
    """
    (execution,) = _world("http_retry").states()
    assert list(_world("http_retry").outside.orders) == [f"{execution}:order"]
    assert [effect.attempt for effect in _world("http_retry").outside.effects] == [1, 2]
    assert _state("http_retry").outputs == {"item": "tea"}
    (execution,) = _world("http_post").states()
    places = ("order", "each[0]/more", "each[1]/more")
    assert list(_world("http_post").outside.orders) == [f"{execution}:{place}" for place in places]


def test_a_credential_stays_out_of_the_journal() -> None:
    """
    What a request authenticates itself with is sent, and stands nowhere in the journal.
    """
    stored = b"".join(entry.payload or b"" for entry in _world("http_post").entries())
    assert b"secret('TOKEN')" in stored  # the flow's own source
    assert SECRETS["TOKEN"].encode() not in stored


def test_stored_values() -> None:
    """
    What Set stores Get reads until it is deleted or its time is over; without `overwrite` the first one stays.
    """
    assert _state("kv").outputs == {"state": "PAID", "expired": True, "deleted": True, "twice": False}
    assert _runs("kv_taken") == {"first": "SUCCESS", "second": "FAILED", "tell": "SUCCESS"}
    assert _state("kv_taken").outputs == {"holder": "mine"}


def test_commands_print_their_outputs() -> None:
    """
    Marked lines are outputs, also of a command that fails then; the exit code decides, and a retry runs it again.
    """
    assert _state("commands").outputs == {"lines": 3, "net": 7, "noise": 1}
    assert _state("commands_failing").outputs == {"code": 3}
    assert _state("commands_failing").runs["second_time"].attempts == 2


def test_older_loops_run_all_values_at_once() -> None:
    """
    EachParallel takes `value`, as flows of old write it.
    """
    assert _state("each_parallel").outputs == {"second": 4}
    assert len({event.at for event in _events("each_parallel", TaskStarted)}) == 1


def test_a_flow_may_be_retried_as_a_new_execution() -> None:
    """
    The next execution waits for its time, counts its attempt and names the first one.
    """
    first, second = [state.received for state in _world("retry_new_execution").states().values()]
    assert first
    assert second
    assert (first.attempt, second.attempt) == (1, 2)
    assert second.not_before - first.at == 60 * SECOND
    assert second.original in _world("retry_new_execution").states()


@pytest.mark.parametrize(
    ("name", "again"),
    [
        ("restart_sequential", ["outer/inner/bad", "outer/inner/tidy", "last"]),
        ("restart_for_each", ["loop[1]/only_b/bad"]),
        ("restart_parallel", ["fan/bad"]),
        ("restart_dag", ["build/check"]),
        ("restart_loop_until", ["loop[1]/at_the_second/bad"]),
        ("restart_loop_check", []),
        ("restart_exit", ["stop"]),
        ("restart_timeout", ["late/cut"]),
    ],
)
def test_a_restart_runs_only_what_failed_and_what_follows(name: str, again: list[str]) -> None:
    """
    Wherever the failure stood, what had finished is begun once; what failed is begun a second time, together with the
    `finally` around it. What an AllowFailure let pass, and blocks that had ended before, stay as they are.
    """
    begun = Counter(event.path for event in _events(name, TaskStarted))
    assert [path for path, times in begun.items() if times > 1] == again
    assert max(begun.values()) <= 2


def test_a_restart_gives_loops_their_time_again() -> None:
    """
    A LoopUntil that goes on in the middle counts its rounds on, and its `maxDuration` from the restart.
    """
    assert _state("restart_loop_until").outputs == {"rounds": 3}
    assert _state("restart_loop_check").outputs == {"rounds": 1}


def test_what_was_killed_stays_so_with_its_children() -> None:
    """
    A killed execution is not opened again: the child it waited for stays killed, one nobody waits for goes on.
    """
    children = [
        state.status
        for state in _world("restart_killed").states().values()
        if state.received and state.received.flow == "child_naps_shortly"
    ]
    assert sorted(children) == ["KILLED", "SUCCESS"]


def test_what_runs_behind_a_restart_has_keys_of_its_own() -> None:
    """
    Whoever remembers the failed call must not take the restarted one for its repetition.
    """
    keys = [effect.key for effect in _world("restart_for_each").outside.effects if "only_b" in effect.key]
    execution = keys[0].partition(":")[0]
    assert keys == [f"{execution}:loop[1]/only_b/bad:1", f"{execution}:restart-1:loop[1]/only_b/bad:2"]


def test_a_block_has_to_be_done_within_its_timeout() -> None:
    """
    A block that is late stops what runs inside, waits for no sleep, answer or child any longer, and fails like any
    other; what had ended inside stays. Late inside an AllowFailure is a warning. In time, nothing happens.
    """
    assert _state("timeout_block").status == "FAILED"
    assert _runs("timeout_block") == {
        "in_time/quick": "SUCCESS",
        "late/done": "SUCCESS",
        "late/slow": "KILLED",
        "late/tell": "SUCCESS",
    }
    assert _state("timeout_block", "child_naps_shortly").status == "KILLED"
    expired = [event.path for event in _events("timeout_block", TimerFired)]
    assert expired == ["soft", "late"]


def test_a_pause_that_times_out_has_failed() -> None:
    """
    `timeout` on a Pause is the longest wait for a person; then the task fails and `errors` runs.
    """
    state = _state("timeout_pause")
    assert (state.status, list(state.runs)) == ("FAILED", ["nobody"])
    assert state.terminal
    assert state.terminal.at - state.history[0][1] == 30 * SECOND


def test_an_end_says_why() -> None:
    """
    An execution that no task's error ended has a reason all the same.
    """
    reasons = {
        name: _state(name).terminal.error.message  # type: ignore[union-attr]
        for name in ("loop_until_gives_up", "pause_expires_fail", "restart_exit", "timeout_pause")
    }
    assert reasons == {
        "loop_until_gives_up": "the condition of `poll` was not met within 3 rounds",
        "pause_expires_fail": "`approve` ended without an answer in time",
        "restart_exit": "`stop` ended the execution as FAILED",
        "timeout_pause": "`approve` was not done within its timeout",
    }


def test_loops_in_loops_see_the_values_around_them() -> None:
    """
    `taskrun.value` is the nearest loop's, in blocks inside it too; `parent.taskrun.value` is that of the loop around
    the parent, `taskrun.values` lists them all, and `currentEachOutput` finds what this iteration made.
    """
    assert _state("for_each_nested").outputs == {"made": "b1", "said": '2 ["a","2"] a2'}


def test_a_child_that_is_left_alone_is_known_by_its_id() -> None:
    """
    A Subflow that does not wait outputs the new execution's id all the same.
    """
    world = _world("subflow_left_alone")
    (line,) = [line for execution in world.states() for line in world.disk.logs(execution)]
    assert line.message.removeprefix("after ") in world.states()
