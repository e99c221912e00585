"""REST: a flow's text as it comes in a body, and what is wrong with it as it goes out again."""

from typing import Any, Final

from hookledger.api.http import HttpResponse, problem
from hookledger.api.route import Refused
from hookledger.api.shapes import Fault
from hookledger.runtime.flow.parse import FlowInvalid
from hookledger.runtime.flow.problems import Problem, path_text
from hookledger.runtime.flow.source import SourceInvalid, load

YAML: Final = frozenset({"application/x-yaml", "application/yaml", "text/yaml", "text/x-yaml"})
"""Types a browser sends to a foreign site only with that site's consent, so no other page's form is taken."""


def source_of(content_type: str, body: bytes, kinds: frozenset[str] = YAML) -> str:
    """The text of a body.

    Raises:
        FlowInvalid: It is not UTF-8.
        Refused: It is not said to be of one of these kinds.
    """
    if content_type not in kinds:
        detail = "send the flow as YAML with `Content-Type: application/x-yaml`"
        raise Refused(problem(415, detail, headers={"Accept": ", ".join(sorted(kinds))}))
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = body[: error.start].decode("utf-8-sig", "replace")
        column = len(before) - (before.rfind("\n") + 1) + 1
        message = f"byte 0x{body[error.start]:02x} is not UTF-8; save the text as UTF-8"
        raise FlowInvalid([Problem(message, "", before.count("\n") + 1, column)]) from error


def same_name(source: str, namespace: str, flow_id: str) -> None:
    """Refuse a body that names another flow than the path.

    Raises:
        FlowInvalid: With the place of what differs; what is no YAML at all is for the parser to explain.
    """
    try:
        document = load(source)
    except SourceInvalid:
        return
    data: Any = document.data if isinstance(document.data, dict) else {}
    problems = [
        document.locate(Problem(f"the path names the flow's {name} `{wanted}`", path=(name,)))
        for name, wanted in (("id", flow_id), ("namespace", namespace))
        if name in data and str(data[name]) != wanted
    ]
    if problems:
        raise FlowInvalid(problems)


def faults(problems: tuple[Problem, ...]) -> list[Fault]:
    """Problems as a program reads them."""
    return [
        Fault(path=path_text(one.path), line=one.line, column=one.column, message=one.message)
        for one in problems
    ]


def constraints(problems: tuple[Problem, ...]) -> str:
    """Problems as a person reads them, a line each."""
    return "\n".join(
        f"{one.line}:{one.column}: {one.sentence}" if one.line else one.sentence for one in problems
    )


def invalid(problems: tuple[Problem, ...]) -> HttpResponse:
    """422 with everything that is wrong."""
    more = {"errors": faults(problems)}
    return problem(422, constraints(problems), slug="flow-invalid", more=more)
