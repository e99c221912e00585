"""JSON shapes of the API, as programs written for Kestra expect them. Pure functions of folded state."""

from collections.abc import Mapping
from typing import Any

from hookledger.actors.flows import Revision
from hookledger.journal.entry import Entry
from hookledger.journal.events import TriggerReceived
from hookledger.journal.index import ExecutionRow
from hookledger.journal.store import LogLine
from hookledger.runtime.durations import format_duration
from hookledger.runtime.state import FINISHED, Run, State
from hookledger.runtime.triggers.received import trigger_variables
from hookledger.runtime.variables import TENANT, iso_time

TERMINAL = frozenset({"SUCCESS", "WARNING", "FAILED", "KILLED", "CANCELLED"})


def execution_view(execution_id: str, state: State) -> dict[str, Any]:
    """An execution with its task runs."""
    received = state.received
    assert received is not None
    view: dict[str, Any] = {
        "id": execution_id,
        "namespace": received.namespace,
        "flowId": received.flow,
        "flowRevision": received.revision,
        "taskRunList": [task_run_view(execution_id, received, run) for run in state.runs.values()],
        "inputs": received.inputs,
        "labels": labels_view(state.labels),
        "state": state_view(state.history),
        "originalId": execution_id,
        "trigger": trigger_view(received),
        "deleted": False,
        "metadata": {"attemptNumber": state.generation + 1, "originalCreatedDate": iso_time(received.at)},
    }
    if state.outputs:
        view["outputs"] = state.outputs
    error = getattr(state.terminal, "error", None)
    if error is not None:
        view["error"] = {
            "message": error.message,
            "kind": error.kind,
            "task": getattr(state.terminal, "path", ""),
        }
    return view


def webhook_view(execution_id: str, state: State, public_url: str) -> dict[str, Any]:
    """What a webhook's caller may see: no task runs, no inputs, because callers are anonymous."""
    received = state.received
    assert received is not None
    view: dict[str, Any] = {
        "tenantId": TENANT,
        "id": execution_id,
        "namespace": received.namespace,
        "flowId": received.flow,
        "flowRevision": received.revision,
        "trigger": trigger_view(received),
        "labels": labels_view(state.labels),
        "state": state_view(state.history),
    }
    if state.outputs:
        view["outputs"] = state.outputs
    if public_url:
        path = f"/ui/{TENANT}/executions/{received.namespace}/{received.flow}/{execution_id}"
        view["url"] = public_url.rstrip("/") + path
    return view


def row_view(row: ExecutionRow) -> dict[str, Any]:
    """An execution as lists show it."""
    history = [("CREATED", row.started)]
    if row.state != "CREATED":
        history.append((row.state, row.ended or row.started))
    return {
        "id": row.execution,
        "namespace": row.namespace,
        "flowId": row.flow,
        "flowRevision": row.revision,
        "labels": labels_view(row.labels),
        "state": state_view(tuple(history)),
        "deleted": False,
    }


def state_view(history: tuple[tuple[str, int], ...]) -> dict[str, Any]:
    """`current`, `histories`, `startDate` and, once it has ended, `endDate` and `duration`."""
    current, at = history[-1]
    view: dict[str, Any] = {
        "current": current,
        "histories": [{"state": state, "date": iso_time(when)} for state, when in history],
        "startDate": iso_time(history[0][1]),
    }
    if current in FINISHED:
        view |= {"endDate": iso_time(at), "duration": format_duration(at - history[0][1])}
    return view


def trigger_view(received: TriggerReceived) -> dict[str, Any]:
    """The trigger and its variables."""
    return {
        "id": received.trigger,
        "type": received.trigger_type,
        "variables": trigger_variables(received),
    }


def labels_view(labels: Mapping[str, str]) -> list[dict[str, str]]:
    """Labels as a list of key and value."""
    return [{"key": key, "value": value} for key, value in labels.items()]


def task_run_view(execution_id: str, received: TriggerReceived, run: Run) -> dict[str, Any]:
    """One task run."""
    view: dict[str, Any] = {
        "id": f"{execution_id}:{run.path}",
        "executionId": execution_id,
        "namespace": received.namespace,
        "flowId": received.flow,
        "taskId": run.task,
        "attempts": [{"state": state_view(run.history)}] * max(1, run.attempts),
        "outputs": dict(run.outputs),
        "state": state_view(run.history),
    }
    if run.values:
        view["value"] = run.values[-1]
    if run.error is not None:
        view["error"] = {"message": run.error.message, "kind": run.error.kind}
    return view


def log_view(row: ExecutionRow, line: LogLine) -> dict[str, Any]:
    """A log line."""
    return {
        "namespace": row.namespace,
        "flowId": row.flow,
        "executionId": row.execution,
        "taskId": line.path.rpartition("/")[2],
        "taskRunId": f"{row.execution}:{line.path}",
        "attemptNumber": line.attempt - 1,
        "timestamp": iso_time(line.at),
        "level": line.level,
        "message": line.message,
    }


def flow_view(revision: Revision, *, source: bool = False) -> dict[str, Any]:
    """A flow as its author wrote it, with what the server adds."""
    registered = revision.registered
    document = dict(revision.flow.document) if revision.flow is not None else {}
    view: dict[str, Any] = {
        **document,
        "id": registered.flow,
        "namespace": registered.namespace,
        "revision": registered.revision,
        "updated": iso_time(registered.at),
        "disabled": revision.flow.disabled if revision.flow else False,
        "deleted": False,
    }
    if revision.error:
        view["exception"] = revision.error
    if source:
        view["source"] = registered.source
    return view


def receipt(entry: Entry) -> str:
    """What a caller can later prove: which entry of the journal holds what it was told."""
    import base64

    leaf = base64.urlsafe_b64encode(entry.leaf).decode().rstrip("=")
    return f"execution={entry.header.exec}; entry={entry.header.n}; leaf={leaf}"
