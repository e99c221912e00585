"""The API describes itself, and does what its description says, whatever is sent."""

import os
import re
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec
import schemathesis
import trio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.generation import GenerationMode

from hookledger.api.openapi import operation_id
from hookledger.api.routes import PREFIXES, routes

from .site import USER, flow, open_site

ANYTHING: Final[Any] = None
TABLE: Final = routes(ANYTHING, ANYTHING, ANYTHING)
DESCRIBED: Final = "/api/openapi.json"
EXAMPLES: Final = int(os.environ.get("OPENAPI_EXAMPLES", "3"))
"""Of each operation, right and wrong ones each; OPENAPI_EXAMPLES=40 is the long run, of minutes."""
EVERY: Final[Any] = list(HealthCheck)
NOT_OURS: Final = ("positive_data_acceptance", "ignored_auth")
"""A text that is a string is not a flow yet; and credentials are tested elsewhere (test_routes.py)."""


async def description(client: httpx.AsyncClient) -> Any:
    """The document as a client gets it."""
    answer = await client.get(DESCRIBED, auth=USER)
    assert answer.status_code == 200
    return answer.json()


def described(document: Any) -> Iterator[tuple[str, str, Any]]:
    """Method, path and operation of everything in a document."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


async def test_the_description_is_valid_and_complete(tmp_path: Path) -> None:
    """
    It is OpenAPI 3.1 and has each line of the table once, with a summary, its parameters and its answers.
    """
    async with open_site(tmp_path) as site:
        document = await description(site.client)
        for prefix in PREFIXES:
            same = await site.client.get(f"{prefix}/openapi.json", auth=USER)
            assert same.json() == document
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    paths = {(method, path) for method, path, _ in described(document)}
    older = {route.older for route in TABLE if route.older}
    table = {
        (route.method, route.prefixes[0] + re.sub(r"<(?:path:)?(\w+)>", r"{\1}", route.path))
        for route in TABLE
        if route.path not in older
    }
    assert paths == table
    ids = [operation["operationId"] for _, _, operation in described(document)]
    assert len(ids) == len(set(ids))
    for _, _, operation in described(document):
        assert operation["summary"]
        assert {"200", "201", "204"} & operation["responses"].keys()


def test_parameters_are_those_that_are_read() -> None:
    """
    A route's description names the fields of the Struct its query is read as, and the names in its path.
    """
    document = _made()
    for route in TABLE:
        if route.path in {one.older for one in TABLE}:
            continue
        path = route.prefixes[0] + re.sub(r"<(?:path:)?(\w+)>", r"{\1}", route.path)
        operation = document["paths"][path][route.method.lower()]
        named = [(one["in"], one["name"]) for one in operation["parameters"]]
        fields = msgspec.structs.fields(route.query) if route.query else ()
        expected = [("path", name) for name in re.findall(r"{(\w+)}", path)]
        assert named == expected + [("query", field.encode_name) for field in fields], operation_id(route)


async def test_answers_are_as_described(tmp_path: Path) -> None:
    """
    Right and wrong requests to every operation: no 5xx, no undocumented status, type or header, and every answer fits
    its schema.
    """
    flows = {"f": flow("f", text="hi", trigger="    wait: true\n")}
    async with open_site(tmp_path, flows) as site:
        execution = (await site.call("f")).json()["id"]
        document = await description(site.client)
        sent = await trio.to_thread.run_sync(_probe, document, site.address, execution)
    assert sent > 2 * len(list(described(document)))


def _made() -> Any:
    from hookledger.api.openapi import openapi

    older = {route.older for route in TABLE}
    return openapi((route for route in TABLE if route.path not in older), "1")


def _probe(document: Any, address: str, execution: str) -> int:
    """Send examples of every operation; returns how many there were."""
    load_all_checks()
    unsecured = {name: value for name, value in document.items() if name != "security"}
    schema: Any = schemathesis.openapi.from_dict(unsecured)
    excluded = CHECKS.get_by_names(list(NOT_OURS))
    known = {
        "execution_id": execution,
        "namespace": "io.tests",
        "flow_id": "f",
        "flow": "f",
        "trigger": "webhook",
    }
    count = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                derandomize=True,
                suppress_health_check=EVERY,
                phases=[Phase.generate],
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def send(case: Any) -> None:
                nonlocal count
                count += 1
                if count % 2 and case.path_parameters:
                    case.path_parameters.update(
                        {name: value for name, value in known.items() if name in case.path_parameters}
                    )
                response = case.call(base_url=address, auth=USER)
                case.validate_response(response, excluded_checks=excluded)

            with suppress(Unsatisfiable) if mode is GenerationMode.NEGATIVE else nullcontext():
                send()  # where nothing can be wrong, nothing is sent
    return count
