"""REST: what is wrong with a flow, a task or a trigger, and what its author should know; nothing is changed."""

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Literal

import msgspec
import trio

from hookledger.actors.engine import Engine
from hookledger.actors.limiters import limiter
from hookledger.api.call import Call
from hookledger.api.http import HttpResponse, json_response, problem
from hookledger.api.queries import Nothing, Query
from hookledger.api.rest.flow_sources import YAML, constraints, faults, invalid, source_of
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import Verdict
from hookledger.runtime.flow.parse import FlowInvalid, parse_flow
from hookledger.runtime.flow.problems import Path, Problem
from hookledger.runtime.flow.source import SourceInvalid, load
from hookledger.runtime.tasks.registry import TaskRegistry

DOCUMENTS_MAX: Final = 100
UNCHECKED: Final[dict[str, Any]] = dict.fromkeys(sorted(YAML), Any)
"""What is wrong is the answer, so nothing is refused."""
ELEMENT: Final[dict[str, Any]] = {"application/json": Any, **UNCHECKED}
_NEXT_DOCUMENT: Final = re.compile(r"^(?=---(?:\s|$))", re.MULTILINE)
_LOG: Final = {"id": "log", "type": "io.kestra.plugin.core.log.Log", "message": "-"}

Around = Callable[[Any], dict[str, Any]]
"""Makes a flow around one element of it."""


class Section(Query, frozen=True, kw_only=True):
    """Where Kestra has the task; every section has the same tasks here."""

    section: Literal["TASKS", "TRIGGERS", "ERRORS", "FINALLY", "AFTER_EXECUTION"] = "TASKS"


async def validate_flows(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """Check documents separated by `---`."""
    try:
        documents = documents_of(source_of(call.content_type, await call.body()))
    except FlowInvalid as error:
        return invalid(error.problems)
    if len(documents) > DOCUMENTS_MAX:
        detail = f"{DOCUMENTS_MAX} documents at once, no more; send them in several requests"
        return problem(422, detail, slug="too-many-documents")
    return json_response(
        [
            await trio.to_thread.run_sync(
                _verdict, engine.registry, index, document, limiter=limiter("sources")
            )
            for index, document in enumerate(documents)
        ]
    )


async def validate_task(engine: Engine, call: Call, query: Section) -> HttpResponse:
    """Check one task, as YAML or JSON."""
    return await _element(engine, call, ("tasks", 0), lambda task: {"tasks": [task]})


async def validate_trigger(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """Check one trigger, as YAML or JSON."""
    return await _element(
        engine, call, ("triggers", 0), lambda trigger: {"tasks": [_LOG], "triggers": [trigger]}
    )


def documents_of(text: str) -> list[str]:
    """The documents of a text, each with empty lines before it, so that places stay those of the whole text."""
    documents: list[str] = []
    line = 0
    for part in _NEXT_DOCUMENT.split(text):
        if _has_data(part) and len(documents) <= DOCUMENTS_MAX:
            documents.append("\n" * line + part)
        line += part.count("\n")
    return documents or [text]


async def _element(engine: Engine, call: Call, path: Path, around: Around) -> HttpResponse:
    try:
        text = source_of(call.content_type, await call.body(), YAML | {"application/json"})
    except FlowInvalid as error:
        return invalid(error.problems)
    found = await trio.to_thread.run_sync(
        _element_problems, engine.registry, text, path, around, limiter=limiter("sources")
    )
    return json_response(_refused(0, found) if found else Verdict(index=0))


def _element_problems(registry: TaskRegistry, text: str, path: Path, around: Around) -> tuple[Problem, ...]:
    """What is wrong with a part of a flow, at its places in its own text."""
    try:
        document = load(text)
    except SourceInvalid as error:
        return error.problems
    flow = {"id": "checked", "namespace": "checked", **around(document.data)}
    try:
        parse_flow(json.dumps(flow), registry=registry)
    except FlowInvalid as error:
        depth = len(path)
        return tuple(
            document.locate(Problem(one.message, path=one.path[depth:], on_key=one.on_key))
            for one in error.problems
        )
    return ()


def _verdict(registry: TaskRegistry, index: int, document: str) -> Verdict:
    try:
        flow = parse_flow(document, registry=registry)
    except FlowInvalid as error:
        namespace, name = _name(document)
        return msgspec.structs.replace(_refused(index, error.problems), flow=name, namespace=namespace)
    return Verdict(index=index, flow=flow.id, namespace=flow.namespace, warnings=list(flow.warnings))


def _refused(index: int, problems: tuple[Problem, ...]) -> Verdict:
    return Verdict(index=index, constraints=constraints(problems), errors=faults(problems))


def _has_data(document: str) -> bool:
    """False where there is nothing but empty lines, comments and markers."""
    lines = map(str.strip, document.removeprefix("---").splitlines())
    return any(line and line != "..." and not line.startswith("#") for line in lines)


def _name(document: str) -> tuple[str, str]:
    """What an invalid flow calls itself, as far as that can be read."""
    try:
        data: Any = load(document).data
    except SourceInvalid:
        data = None
    read: Mapping[str, Any] = data if isinstance(data, dict) else {}
    return str(read.get("namespace") or ""), str(read.get("id") or "")


def table(engine: Engine) -> list[Route]:
    """Checks of what is being written."""
    return [
        Route(
            "POST",
            "/flows/validate",
            partial(validate_flows, engine),
            summary="Check flows",
            body=UNCHECKED,
            answers=Reply(list[Verdict]),
            errors=(415, 422),
            query=Nothing,
        ),
        Route(
            "POST",
            "/flows/validate/task",
            partial(validate_task, engine),
            summary="Check a task",
            query=Section,
            body=ELEMENT,
            answers=Reply(Verdict),
            errors=(415, 422),
        ),
        Route(
            "POST",
            "/flows/validate/trigger",
            partial(validate_trigger, engine),
            summary="Check a trigger",
            body=ELEMENT,
            answers=Reply(Verdict),
            errors=(415, 422),
            query=Nothing,
        ),
    ]
