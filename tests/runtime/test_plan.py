"""The plan: which task may begin, seen through a driver that answers nothing by itself."""

import json
from typing import Any

from hypothesis import given, settings

from hookledger.journal.events import (
    BranchTaken,
    ExecutionEvent,
    ResultSettled,
    TaskReturned,
    TaskStarted,
    TriggerReceived,
)
from hookledger.runtime.decide import decide
from hookledger.runtime.flow.model import Flow
from hookledger.runtime.flow.parse import parse_flow
from hookledger.runtime.locate import locate
from hookledger.runtime.plan import Command, Finish, Settle, StartAttempt, worst
from hookledger.runtime.state import State, below, fold_all
from hookledger.runtime.taskruns import task_runs
from tests.runtime.histories import REGISTRY, histories

CORE = "io.kestra.plugin.core"


def _leaf(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": f"{CORE}.log.Log", "message": name, **more}


def _block(name: str, kind: str, *tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": name, "type": f"{CORE}.flow.{kind}", "tasks": list(tasks), **more}


def _flow(*tasks: dict[str, Any], **more: Any) -> Flow:
    source = json.dumps({"id": "f", "namespace": "n", "tasks": list(tasks), **more})
    return parse_flow(source, registry=REGISTRY)


def _state(*told: tuple[str, str]) -> State:
    """An execution in which these paths ended: `open`, or the `next` of their TaskReturned; a state may be settled."""
    events: list[ExecutionEvent] = []

    def add(kind: Any, **fields: Any) -> None:
        events.append(kind(sequence=len(events), at=len(events), **fields))

    add(
        TriggerReceived,
        namespace="n",
        flow="f",
        revision=1,
        source_sha256="",
        trigger="",
        trigger_type="",
        seed="",
    )
    for path, end in told:
        task = path.rpartition("/")[2]
        if end == "values":
            add(BranchTaken, task=task, path=path, values=("a", "b", "c"))
            continue
        if end == "settled":
            add(ResultSettled, state=path)
            continue
        add(TaskStarted, task=task, path=path, attempt=1, task_type="", effect="pure")
        if end != "open":
            outcome = "ok" if end in ("next", "exit") else "error"
            fields = {"exit_state": "WARNING"} if end == "exit" else {}
            add(TaskReturned, task=task, path=path, attempt=1, outcome=outcome, next=end, **fields)
    return fold_all(events)


def _begins(flow: Flow, *told: tuple[str, str]) -> list[str]:
    commands = decide(flow, _state(*told), 1_000)
    return [one.place.path(one.task) for one in commands if isinstance(one, StartAttempt)]


def _ends(flow: Flow, *told: tuple[str, str]) -> str:
    commands: tuple[Command, ...] = decide(flow, _state(*told), 1_000)
    assert len(commands) == 1
    assert isinstance(commands[0], Finish | Settle), commands
    return commands[0].state


def test_a_sequence_goes_on_behind_success_and_warning_and_stops_at_failure() -> None:
    """
    Top-level tasks run strictly in order; behind a failure nothing begins.
    """
    flow = _flow(_leaf("a"), _leaf("b"))
    assert _begins(flow) == ["a"]
    assert _begins(flow, ("a", "open")) == []
    assert _begins(flow, ("a", "next")) == ["b"]
    assert _begins(flow, ("a", "continue")) == ["b"]
    assert _ends(flow, ("a", "fail")) == "FAILED"
    assert _ends(flow, ("a", "continue"), ("b", "next")) == "WARNING"


def test_parallel_keeps_its_limit() -> None:
    """
    `concurrent` bounds what is under way; behind a failure nothing new begins.
    """
    three = (_leaf("a"), _leaf("b"), _leaf("c"))
    assert _begins(_flow(_block("p", "Parallel", *three))) == ["p/a", "p/b", "p/c"]
    limited = _flow(_block("p", "Parallel", *three, concurrent=2))
    assert _begins(limited) == ["p/a", "p/b"]
    assert _begins(limited, ("p/a", "open")) == ["p/b"]
    assert _begins(limited, ("p/a", "next"), ("p/b", "open")) == ["p/c"]
    assert _begins(limited, ("p/a", "fail"), ("p/b", "open")) == []
    assert _ends(limited, ("p/a", "fail"), ("p/b", "next")) == "FAILED"


def test_beside_a_failure_what_runs_goes_on_and_nothing_new_begins() -> None:
    """
    An unfinished block beside a failed task ends its running task, then is FAILED itself, without its own lists; a
    retry that waits is still made.
    """
    inner = _block(
        "q", "Sequential", _leaf("b"), _leaf("c"), errors=[_leaf("e")], **{"finally": [_leaf("f")]}
    )
    flow = _flow(_block("p", "Parallel", _leaf("a"), inner))
    assert _begins(flow, ("p/a", "open"), ("p/q/b", "next")) == ["p/q/c"]
    assert _begins(flow, ("p/a", "fail"), ("p/q/b", "open")) == []
    assert _ends(flow, ("p/a", "fail"), ("p/q/b", "next")) == "FAILED"
    runs = task_runs(flow, _state(("p/a", "fail"), ("p/q/b", "next")))
    assert {path: run.state for path, run in runs.items()} == {
        "p": "FAILED", "p/a": "FAILED", "p/q": "FAILED", "p/q/b": "SUCCESS",
    }  # fmt: skip
    assert _begins(flow, ("p/a", "fail"), ("p/q/b", "retry")) == ["p/q/b"]


def test_for_each_goes_in_order_and_stops_at_a_failure() -> None:
    """
    concurrencyLimit 1 is a sequence of iterations; 0 begins all of them; behind a failure no value is begun.
    """
    loop = _flow(_block("l", "ForEach", _leaf("a"), values=["a", "b", "c"]))
    assert _begins(loop, ("l", "values")) == ["l[0]/a"]
    assert _begins(loop, ("l", "values"), ("l[0]/a", "next")) == ["l[1]/a"]
    assert _ends(loop, ("l", "values"), ("l[0]/a", "fail")) == "FAILED"
    wide = _flow(_block("l", "ForEach", _leaf("a"), values=["a", "b", "c"], concurrencyLimit=0))
    assert _begins(wide, ("l", "values")) == ["l[0]/a", "l[1]/a", "l[2]/a"]
    assert _begins(wide, ("l", "values"), ("l[0]/a", "fail")) == []
    assert _ends(wide, ("l", "values"), ("l[0]/a", "fail")) == "FAILED"


def test_a_dag_child_waits_for_what_it_depends_on() -> None:
    """
    A child begins when all it depends on ended well; behind a failed one it never begins; a disabled one is no
    reason to wait.
    """
    items = [{"task": _leaf("a")}, {"task": _leaf("b"), "dependsOn": ["a"]}, {"task": _leaf("c")}]
    flow = _flow({"id": "d", "type": f"{CORE}.flow.Dag", "tasks": items})
    assert _begins(flow) == ["d/a", "d/c"]
    assert _begins(flow, ("d/a", "next"), ("d/c", "open")) == ["d/b"]
    assert _ends(flow, ("d/a", "fail"), ("d/c", "next")) == "FAILED"
    items[0] = {"task": _leaf("a", disabled=True)}
    assert _begins(_flow({"id": "d", "type": f"{CORE}.flow.Dag", "tasks": items})) == ["d/b", "d/c"]


def test_errors_then_finally_then_after_execution() -> None:
    """
    errors run only behind a failure, finally always, afterExecution last, once the result is settled; these lists go
    on behind a failing task, and none of them changes how the execution ends.
    """
    more = {"errors": [_leaf("e")], "finally": [_leaf("f")], "afterExecution": [_leaf("x")]}
    flow = _flow(_leaf("a"), **more)
    assert _begins(flow, ("a", "next")) == ["f"]
    assert _begins(flow, ("a", "fail")) == ["e"]
    assert _begins(flow, ("a", "fail"), ("e", "next")) == ["f"]
    assert _ends(flow, ("a", "fail"), ("e", "next"), ("f", "next")) == "FAILED"
    assert _ends(flow, ("a", "next"), ("f", "fail")) == "SUCCESS"
    assert _begins(flow, ("a", "next"), ("f", "next"), ("SUCCESS", "settled")) == ["x"]
    assert _ends(flow, ("a", "next"), ("f", "next"), ("SUCCESS", "settled"), ("x", "fail")) == "SUCCESS"
    lists = {name: [_leaf(f"{name}1"), _leaf(f"{name}2")] for name in ("errors", "finally")}
    longer = _flow(_block("q", "Sequential", _leaf("a"), **lists))
    assert _begins(longer, ("q/a", "fail"), ("q/errors1", "fail")) == ["q/errors2"]
    before = (("q/a", "fail"), ("q/errors1", "fail"), ("q/errors2", "fail"))
    assert _begins(longer, *before, ("q/finally1", "fail")) == ["q/finally2"]
    assert _ends(longer, ("q/a", "next"), ("q/finally1", "fail"), ("q/finally2", "fail")) == "SUCCESS"


def test_an_exit_ends_all_but_after_execution() -> None:
    """
    Behind an Exit neither tasks nor errors nor finally begin, wherever it stands, and blocks around it take its state;
    one in afterExecution ends only that list.
    """
    lists: dict[str, Any] = {"finally": [_leaf("f"), _leaf("g")], "afterExecution": [_leaf("x"), _leaf("y")]}
    flow = _flow(_block("q", "Sequential", _leaf("a"), _leaf("b"), **{"finally": [_leaf("l")]}), **lists)
    assert _ends(flow, ("q/a", "exit")) == "WARNING"
    assert task_runs(flow, _state(("q/a", "exit")))["q"].state == "WARNING"
    done = (("q/a", "next"), ("q/b", "next"), ("q/l", "next"))
    assert _ends(flow, *done, ("f", "exit")) == "WARNING"
    settled = (*done, ("f", "next"), ("g", "next"), ("SUCCESS", "settled"))
    assert _ends(flow, *settled, ("x", "exit")) == "SUCCESS"


def test_the_worst_state_of_a_group_counts() -> None:
    """
    Killed, else failed, else warning, else success; skipped ones count for nothing.
    """
    assert worst([]) == "SUCCESS"
    assert worst(["SKIPPED", "SKIPPED"]) == "SUCCESS"
    assert worst(["SUCCESS", "WARNING", "SKIPPED"]) == "WARNING"
    assert worst(["WARNING", "FAILED"]) == "FAILED"
    assert worst(["FAILED", "KILLED"]) == "KILLED"


def test_below_takes_whole_segments() -> None:
    """
    A place contains its children and iterations, not what merely begins with the same letters.
    """
    assert below("a/b", "a")
    assert below("a[0]/b", "a")
    assert below("a", "a")
    assert not below("ab", "a")


@settings(max_examples=40, deadline=None)
@given(histories())
def test_every_run_can_be_found_again_by_its_path(history: tuple[Flow, list[ExecutionEvent]]) -> None:
    """
    A path leads back to the task and the place it was made of.
    """
    flow, events = history
    state = fold_all(events)
    for path, run in state.runs.items():
        found = locate(flow, state.branches, path)
        assert found is not None
        assert found[0].id == run.task
        assert found[1].path(found[0]) == path
