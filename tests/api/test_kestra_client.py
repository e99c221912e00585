"""Kestra's own client, written for Kestra's server, does its work with ours."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
import trio
from kestrapy import KestraClient
from kestrapy.exceptions import ApiException, ConflictException, NotFoundException
from kestrapy.models.execution import Execution
from kestrapy.models.flow_with_source import FlowWithSource
from kestrapy.models.label import Label
from kestrapy.models.log_entry import LogEntry
from kestrapy.models.query_filter import QueryFilter
from kestrapy.models.query_filter_field import QueryFilterField
from kestrapy.models.query_filter_op import QueryFilterOp
from kestrapy.models.state_type import StateType

from .site import USER, Site, open_site
from .test_operations import APPROVAL

T = TypeVar("T")

TENANT: Final = "main"
CLIENT: Final[Any] = KestraClient  # its arguments have no types
FILTER: Final[Any] = QueryFilter
GREETING: Final = """id: greeting
namespace: io.tests
description: says hello
labels: {team: red}
inputs:
  - {id: name, type: STRING}
  - {id: often, type: INT, defaults: "1"}
tasks:
  - {id: log, type: io.kestra.plugin.core.log.Log, message: "greeting {{ inputs.name }}"}
  - {id: hello, type: io.kestra.plugin.core.debug.Return, format: "Hello {{ inputs.name }}"}
outputs:
  - {id: text, type: STRING, value: "{{ outputs.hello.value }}"}
triggers:
  - {id: hook, type: io.kestra.plugin.core.trigger.Webhook, key: a-secret-key-of-ours, inputs: {name: Webhook}}
"""


async def at(site: Site, work: Callable[[Any], T]) -> T:
    """Let the client, which blocks, work in a thread."""

    def run() -> T:
        user, password = USER
        client = CLIENT(host=site.address, username=user, password=password, timeout=10)
        with client._session:
            return work(client)

    return await trio.to_thread.run_sync(run)


def strictly(shape: Any, data: Any) -> Any:
    """Read an answer with the client's model, which otherwise forgives.

    The models demand of a state what no server of theirs sends: the names of its Java getters.
    """
    return shape.from_dict(_with_getters(data))


def _with_getters(data: Any) -> Any:
    if isinstance(data, list):
        return [_with_getters(item) for item in data]
    if not isinstance(data, dict):
        return data
    plain = {name: _with_getters(value) for name, value in data.items()}
    if "histories" in plain:
        began = plain["startDate"]
        plain |= {"getDuration": "", "getStartDate": began, "getEndDate": plain.get("endDate", began)}
    return plain


async def test_a_flow_is_created_started_followed_and_read(tmp_path: Path) -> None:
    """
    The client creates a flow, starts it with inputs and labels, follows it to its end and reads outputs and log.
    """

    def work(client: Any) -> tuple[Any, ...]:
        made = client.flows.create_flow(TENANT, GREETING)
        begun = client.executions.create_execution(
            TENANT, "io.tests", "greeting", labels=["ticket:42"], inputs={"name": "Ann", "often": 2}
        )
        followed = list(client.executions.follow_execution(begun.id, TENANT))
        read = client.executions.execution(begun.id, TENANT)
        outputs = client.outputs.execution_outputs(begun.id, TENANT)
        (task,) = client.outputs.task_outputs_information(begun.id, TENANT)
        of_task = client.outputs.task_run_outputs(begun.id, task.task_run_id, TENANT)
        logs = client.logs.list_logs_from_execution(begun.id, TENANT, min_level="INFO")
        lines = list(client.logs.follow_logs_from_execution(begun.id, TENANT))
        return made, begun, followed, read, outputs, of_task, logs, lines

    async with open_site(tmp_path) as site:
        made, begun, followed, read, outputs, of_task, logs, lines = await at(site, work)
    assert (made.id, made.namespace, made.revision, made.source) == ("greeting", "io.tests", 1, GREETING)
    assert [(label.key, label.value) for label in made.labels] == [("team", "red")]
    assert begun.inputs == {"name": "Ann", "often": 2}
    assert ("ticket", "42") in {(label.key, label.value) for label in begun.labels}
    assert [one.id for one in followed] == [begun.id] * len(followed)
    assert followed[-1].state.current == read.state.current == StateType.SUCCESS
    assert [run.task_id for run in read.task_run_list] == ["log", "hello"]
    assert outputs == {"text": "Hello Ann"}
    assert of_task == {"value": "Hello Ann"}
    assert [(line.message, line.level.value) for line in logs] == [("greeting Ann", "INFO")]
    assert [line.message for line in lines if line.message] == ["greeting Ann"]


async def test_its_models_take_our_answers(tmp_path: Path) -> None:
    """
    Flows, executions, log lines and graphs pass the models' own validation, in every member.
    """
    async with open_site(tmp_path, {"g": GREETING, "a": APPROVAL}) as site:
        api = "/api/v1/main"

        async def get(path: str) -> Any:
            return (await site.client.get(api + path, auth=USER)).json()

        wish = {"inputs": {"name": "Bob"}}
        started = await site.client.post(
            f"{api}/executions/io.tests/greeting?wait=true", json=wish, auth=USER
        )
        execution = started.json()["id"]
        shown = strictly(Execution, await get(f"/executions/{execution}"))
        flow = strictly(FlowWithSource, await get("/flows/io.tests/greeting?source=true"))
        (line,) = [strictly(LogEntry, one) for one in await get(f"/logs/{execution}")]
        (listed,) = (await get("/executions/search?flowId=greeting"))["results"]
    assert (shown.state.current, shown.deleted) == (StateType.SUCCESS, False)
    assert shown.state.histories[0].state == StateType.CREATED
    assert (flow.disabled, flow.draft, flow.deleted) == (False, False, False)
    assert (line.task_id, line.attempt_number) == ("log", 0)
    assert strictly(
        Execution, listed | {"metadata": {"originalCreatedDate": listed["state"]["startDate"]}}
    ).id


async def test_an_operator_works_with_it(tmp_path: Path) -> None:
    """
    The client resumes a pause with inputs, kills, replays and labels, alone and several at once; a killed
    execution stays so.
    """

    def work(client: Any) -> tuple[Any, ...]:
        of = client.executions

        def paused() -> str:
            begun = of.create_execution(TENANT, "io.tests", "approval", inputs={"amount": 7})
            states = (one.state.current for one in of.follow_execution(begun.id, TENANT))
            assert StateType.PAUSED in states
            return str(begun.id)

        resumed, killed, first, second = (paused() for _ in range(4))
        of.resume_execution(resumed, TENANT, inputs={"verdict": "yes"})
        ended = [one.state.current for one in of.follow_execution(resumed, TENANT)][-1]
        value = of.execution(resumed, TENANT).task_run_list[-1]
        of.kill_execution(killed, TENANT)
        end = [one.state.current for one in of.follow_execution(killed, TENANT)][-1]
        with pytest.raises(ConflictException):
            of.restart_execution(killed, TENANT)
        again = of.replay_execution(killed, TENANT)
        labelled = of.set_labels_on_terminated_execution(resumed, TENANT, [Label(key="seen", value="yes")])
        evaluated = of.eval_expression(resumed, TENANT, "{{ outputs.wait.onResume.verdict | upper }}")
        bulk = of.kill_executions_by_ids(TENANT, [first, second, resumed])
        with pytest.raises(ConflictException):
            of.pause_execution(resumed, TENANT)
        with pytest.raises(NotFoundException):
            of.kill_execution("nobody", TENANT)
        return ended, value, end, killed, again, labelled, evaluated, bulk

    async with open_site(tmp_path, {"a": APPROVAL}) as site:
        ended, value, end, killed, again, labelled, evaluated, bulk = await at(site, work)
    assert (ended, end) == (StateType.SUCCESS, StateType.KILLED)
    assert value.task_id == "decide"
    assert (again.parent_id, again.original_id) == (killed, killed)
    assert ("seen", "yes") in {(label.key, label.value) for label in labelled.labels}
    assert evaluated == {"result": "YES"}
    assert (bulk["totalItems"], bulk["count"], [one["status"] for one in bulk["refused"]]) == (3, 2, [409])


async def test_it_finds_and_changes_flows(tmp_path: Path) -> None:
    """
    The client searches with its filters, validates, draws, changes, lists revisions and triggers, and deletes.
    """

    def eq(field: Any, value: Any) -> Any:
        return FILTER(var_field=field, operation=QueryFilterOp.EQUALS, value=value)

    def work(client: Any) -> tuple[Any, ...]:
        flows = client.flows
        made = flows.create_flow(TENANT, GREETING)
        client.executions.create_execution(TENANT, "io.tests", "greeting", wait=True, inputs={"name": "Eve"})
        changed = flows.update_flow("io.tests", "greeting", TENANT, GREETING.replace("hello", "hi"))
        found = client.executions.search_executions(
            TENANT,
            page=1,
            size=10,
            sort=["state.startDate:desc"],
            filters=[
                eq(QueryFilterField.NAMESPACE, "io.tests"),
                eq(QueryFilterField.FLOW_ID, "greeting"),
                eq(QueryFilterField.LABELS, {"team": "red"}),
                FILTER(
                    var_field=QueryFilterField.STATE, operation=QueryFilterOp.IN, value=["SUCCESS", "FAILED"]
                ),
            ],
        )
        none = client.executions.search_executions(TENANT, filters=[eq(QueryFilterField.STATE, "FAILED")])
        listed = client.executions.search_executions_by_flow_id(TENANT, "io.tests", "greeting")
        flow = flows.search_flows(TENANT, filters=[eq(QueryFilterField.NAMESPACE, "io.tests")])
        checked = flows.validate_flows(TENANT, GREETING + "---\nid: broken\n")
        graph = flows.generate_flow_graph("io.tests", "greeting", TENANT)
        revisions = flows.list_flow_revisions("io.tests", "greeting", TENANT)
        triggers = client.triggers.search_triggers(TENANT)
        with pytest.raises(ApiException) as refused:
            client.executions.search_executions(TENANT, filters=[eq(QueryFilterField.KIND, "TEST")])
        flows.delete_flow("io.tests", "greeting", TENANT)
        with pytest.raises(NotFoundException):
            flows.flow("io.tests", "greeting", TENANT)
        return made, changed, found, none, listed, flow, checked, graph, revisions, triggers, refused.value

    async with open_site(tmp_path) as site:
        made, changed, found, none, listed, flow, checked, graph, revisions, triggers, refused = await at(
            site, work
        )
    assert (made.revision, changed.revision, [one.revision for one in revisions]) == (1, 2, [1, 2])
    assert (found["total"], none["total"], listed["total"], flow.total) == (1, 0, 1, 1)
    assert [one.constraints is None for one in checked] == [True, False]
    assert {node.uid for node in graph.nodes} == {"triggers/hook", "log", "hi"}
    assert [(edge.source, edge.target) for edge in graph.edges] == [("triggers/hook", "log"), ("log", "hi")]
    assert triggers["results"][0]["state"]["triggerId"] == "hook"
    assert "a-secret-key-of-ours" not in str(triggers)
    assert re.search(r"filters\[kind\].* is not possible", str(refused.body))
