"""REST: one action on several executions, chosen by their ids."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final, TypeAlias

from msgspec import Meta

from hookledger.actors.engine import Engine
from hookledger.actors.errors import CommandRefused
from hookledger.actors.operators import Kill, OperatorCommand, Pause, Restart, Resume
from hookledger.api.call import Call
from hookledger.api.forms import read_json
from hookledger.api.http import HttpResponse, json_response
from hookledger.api.permissions import Permission
from hookledger.api.queries import Nothing
from hookledger.api.route import Reply, Route
from hookledger.api.shapes import Shape
from hookledger.journal.errors import ExecutionUnknown

Ids: TypeAlias = Annotated[list[str], Meta(min_length=1, max_length=100)]


IDS: Final[Any] = Ids


class Refusal(Shape, frozen=True, kw_only=True):
    """One execution to which it could not be done."""

    id: str
    status: int
    detail: str


class Done(Shape, frozen=True, kw_only=True):
    """To how many it was done, and why not to the others."""

    total_items: int
    count: int
    refused: list[Refusal]


async def act_on_each(
    engine: Engine, command: Callable[[str], OperatorCommand], call: Call, query: Nothing
) -> HttpResponse:
    """Do it to each; one that refuses does not stop the others."""
    ids: list[str] = list(dict.fromkeys(await read_json(call, IDS)))
    refused: list[Refusal] = []
    for execution_id in ids:
        try:
            await engine.command(execution_id, command(call.by))
        except ExecutionUnknown as error:
            refused.append(Refusal(id=execution_id, status=404, detail=str(error)))
        except CommandRefused as error:
            refused.append(Refusal(id=execution_id, status=409, detail=str(error)))
    return json_response(Done(total_items=len(ids), count=len(ids) - len(refused), refused=refused))


BULK: Final[dict[str, tuple[str, Callable[[str], OperatorCommand]]]] = {
    "kill": ("DELETE", lambda by: Kill(by=by)),
    "pause": ("POST", lambda by: Pause(by=by)),
    "resume": ("POST", lambda by: Resume(by=by)),
    "restart": ("POST", lambda by: Restart(by=by)),
}


def table(engine: Engine) -> list[Route]:
    """Actions on several."""
    return [
        Route(
            method,
            f"/executions/{name}/by-ids",
            partial(act_on_each, engine, command),
            Permission.OPERATE,
            f"{name.capitalize()} several executions",
            query=Nothing,
            body={"application/json": Ids},
            answers=Reply(Done),
            errors=(415, 422),
        )
        for name, (method, command) in BULK.items()
    ]
