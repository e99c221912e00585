"""From YAML source to a checked `Flow`: every problem at once, each with its line and column."""

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from hookledger.runtime.flow.fields import Collector, check_fields, flags, read_struct
from hookledger.runtime.flow.inputs import parse_inputs, parse_outputs
from hookledger.runtime.flow.labels import read_labels
from hookledger.runtime.flow.model import Concurrency, Flow, Retry, Task, Trigger
from hookledger.runtime.flow.problems import Path, Problem, ProblemsFound, suggestion
from hookledger.runtime.flow.retries import read_retry
from hookledger.runtime.flow.source import Document, SourceInvalid, load
from hookledger.runtime.flow.sources import ConcurrencySource, FlowSource, PluginDefaultSource
from hookledger.runtime.flow.tasks import TaskReader
from hookledger.runtime.flow.templates import compile_tree
from hookledger.runtime.flow.texts import as_text
from hookledger.runtime.flow.triggers import read_triggers
from hookledger.runtime.tasks.flow.subflow import Subflow
from hookledger.runtime.tasks.registry import TaskRegistry, installed
from hookledger.runtime.triggers.webhook import COMPLETED, RECEIVED

KEPT_MAX: Final = 64
"""Parsed flows that are kept: the same source is read from its file and from the journal."""
_BLOCKS = ("tasks", "errors", "finally", "afterExecution")


class FlowInvalid(ProblemsFound):
    """A flow that cannot be used; `problems` says everything that is wrong with it."""


def parse_flow(source: str, *, file: str = "", registry: TaskRegistry | None = None) -> Flow:
    """Read and check a flow.

    Raises:
        FlowInvalid: With all problems, in the order in which they stand in the file.
    """
    return _parsed(source, file, registry or installed())


@lru_cache(KEPT_MAX)
def _parsed(source: str, file: str, registry: TaskRegistry) -> Flow:
    """A flow is frozen, so whoever parses the same source again may have the same one."""
    try:
        document = load(source, file=file or "<flow>")
    except SourceInvalid as error:
        raise FlowInvalid(error.problems) from error
    found = Collector()
    flow = _read(document, source, file, registry, found)
    if found.problems or flow is None:
        raise FlowInvalid(_located(document, found.problems))
    return flow


def _located(document: Document, problems: Iterable[Problem]) -> list[Problem]:
    located = [document.locate(problem) for problem in problems]
    return sorted(located, key=lambda problem: (problem.line, problem.column))


class _Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What was read, before it is known whether all of it is right."""

    blocks: dict[str, tuple[Task, ...]]
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    triggers: tuple[Trigger, ...]
    concurrency: Concurrency | None
    labels: dict[str, str]
    retry: Retry | None
    disabled: bool


def _read(
    document: Document, source: str, file: str, registry: TaskRegistry, found: Collector
) -> Flow | None:
    data: Any = document.data
    if not isinstance(data, dict):
        found.add((), "a flow begins with `id:`, `namespace:` and `tasks:`")
        return None
    data = as_text(data)
    parts = _parts(data, registry, found)
    if found.problems:
        return None
    return Flow(
        namespace=data["namespace"],
        id=data["id"],
        source=source,
        sha256=hashlib.sha256(source.encode()).hexdigest(),
        file=file,
        description=data.get("description") or "",
        disabled=parts.disabled,
        labels=parts.labels,
        inputs=parts.inputs,
        outputs=parts.outputs,
        output_templates={output.id: compile_tree(output.value) for output in parts.outputs},
        variables=data.get("variables") or {},
        tasks=parts.blocks["tasks"],
        errors=parts.blocks["errors"],
        finally_=parts.blocks["finally"],
        after_execution=parts.blocks["afterExecution"],
        triggers=parts.triggers,
        concurrency=parts.concurrency,
        retry=parts.retry,
        document=data,
        warnings=tuple(str(problem) for problem in _located(document, found.warnings)),
    )


RENDERED_OF_INPUTS = frozenset({"defaults", "dependsOn", "expression"})


def inputs_as_written(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The declarations of inputs that are mappings, each at its index."""
    declared = data.get("inputs")
    found = declared if isinstance(declared, list) else []
    return [one if isinstance(one, dict) else {} for one in found]


def _parts(data: dict[str, Any], registry: TaskRegistry, found: Collector) -> _Parts:
    check_fields(FlowSource, data, (), found, elsewhere=_OWN)
    said = flags(FlowSource, data, (), found)
    retry = read_retry(data.get("retry"), ("retry",), found)
    reader = TaskReader(registry, _plugin_defaults(data, found), retry, found)
    blocks = {name: reader.block(data.get(name), (name,)) for name in _BLOCKS}
    _unique_ids(reader.ids, found)
    _check_subflows(data, reader.ids, found)
    if not data.get("tasks"):
        found.add(("tasks",) if "tasks" in data else (), "a flow needs at least one task under `tasks:`")
    inputs, input_problems = parse_inputs(data.get("inputs") or [])
    outputs, output_problems = parse_outputs(data.get("outputs") or [])
    found.problems += [*input_problems, *output_problems]
    found.expressions(data.get("outputs"), ("outputs",))
    for index, declared in enumerate(inputs_as_written(data)):
        for name in RENDERED_OF_INPUTS & declared.keys():
            found.expressions(declared[name], ("inputs", index, name))
    triggers = read_triggers(data.get("triggers"), ("triggers",), found)
    _check_responders(triggers, {task_id for task_id, _ in reader.ids}, found)
    _warn_unfilled(inputs, triggers, found)
    return _Parts(
        blocks=blocks,
        inputs=inputs,
        outputs=outputs,
        triggers=triggers,
        concurrency=_concurrency(data.get("concurrency"), found),
        labels=read_labels(data.get("labels"), ("labels",), found),
        retry=retry,
        disabled=said.get("disabled", False),
    )


def _check_subflows(data: Mapping[str, Any], tasks: Iterable[tuple[str, Path]], found: Collector) -> None:
    """A flow that starts itself never ends."""
    for _, path in tasks:
        task: Any = data
        for step in path:
            task = task[step]
        own = (task.get("namespace"), task.get("flowId")) == (data.get("namespace"), data.get("id"))
        if own and task["type"] in Subflow.types:
            found.add(
                (*path, "flowId"), "this flow would start itself again and again; use LoopUntil or ForEach"
            )


def _warn_unfilled(inputs: Iterable[Any], triggers: Iterable[Trigger], found: Collector) -> None:
    """A trigger that leaves a required input empty can start nothing; that is better known now."""
    needed = [declared.id for declared in inputs if declared.required and declared.defaults is None]
    for index, trigger in enumerate(triggers):
        missing = [name for name in needed if trigger.inputs is None]
        if missing:
            names = ", ".join(f"`{name}`" for name in missing)
            message = (
                f"this trigger fills no inputs, and {names} must have a value: every delivery will be refused"
            )
            found.warn(("triggers", index), f"{message}; add `inputs:` here, or defaults there")


def _check_responders(triggers: Iterable[Trigger], tasks: set[str], found: Collector) -> None:
    """`response.on` of a webhook names a moment or a task that there is."""
    for index, trigger in enumerate(triggers):
        response = getattr(trigger.settings, "response", None)
        if response is not None and response.on not in (RECEIVED, COMPLETED, *tasks):
            known = suggestion(response.on, (RECEIVED, COMPLETED, *tasks))
            found.add(("triggers", index, "response", "on"), f"there is no task `{response.on}`; {known}")


_OWN = frozenset({"retry", "variables", "labels", "inputs", "outputs", "triggers", *_BLOCKS, "concurrency"})


def _concurrency(data: object, found: Collector) -> Concurrency | None:
    if data is None:
        return None
    source = read_struct(ConcurrencySource, data, ("concurrency",), found)
    return None if source is None else Concurrency(limit=source.limit, behavior=source.behavior)


def _plugin_defaults(data: Mapping[str, Any], found: Collector) -> list[PluginDefaultSource]:
    defaults: list[PluginDefaultSource] = []
    for name in ("pluginDefaults", "taskDefaults"):
        items = data.get(name) or []
        for index, item in enumerate(items if isinstance(items, list) else []):
            source = read_struct(PluginDefaultSource, item, (name, index), found)
            if source is not None:
                defaults.append(source)
    return defaults


def _unique_ids(ids: Iterable[tuple[str, Path]], found: Collector) -> None:
    first: dict[str, Path] = {}
    for task_id, path in ids:
        if task_id in first:
            found.add((*path, "id"), f"the task id `{task_id}` is used twice; ids are unique within a flow")
        first.setdefault(task_id, path)
