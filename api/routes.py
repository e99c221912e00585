"""Every route of the API, in one table. A handler gets a `Call` of plain values and knows of no web framework."""

from functools import partial
from typing import Any, Final

from hookledger.actors.engine import Engine
from hookledger.api import deliveries, executions, flows, following, history, operations
from hookledger.api.call import Call
from hookledger.api.http import HttpResponse, json_response
from hookledger.api.identity.guard import Guard
from hookledger.api.identity.routes import identity_routes
from hookledger.api.permissions import Permission
from hookledger.api.route import Route, answer
from hookledger.api.webhook.handler import WebhookHandler
from hookledger.api.webhook.openapi import openapi_document
from hookledger.journal.journal import software

PREFIXES: Final = ("/api/v1/main", "/api/v1")
"""Every route also answers without the tenant."""

__all__ = ["PREFIXES", "Call", "Route", "answer", "routes"]


def routes(engine: Engine, webhook: WebhookHandler, guard: Guard) -> list[Route]:
    """The table: executions, flows, logs, then what is ours alone."""
    return [
        *_execution_routes(engine),
        *_flow_routes(engine),
        *_delivery_routes(engine, webhook),
        *identity_routes(guard),
    ]


def _execution_routes(engine: Engine) -> list[Route]:
    async def search(call: Call) -> HttpResponse:
        return await executions.search_executions(engine, call.query)

    async def one(call: Call) -> HttpResponse:
        return await executions.get_execution(engine, **call.path)

    async def logs(call: Call) -> HttpResponse:
        return await operations.get_logs(engine, **call.path)

    async def start(call: Call) -> HttpResponse:
        return await operations.start(
            engine, **call.path, parameters=call.query, body=await call.body(), by=call.by
        )

    async def act(action: str, call: Call) -> HttpResponse:
        return await operations.act(engine, **call.path, action=action, body=await call.body(), by=call.by)

    return [
        Route("GET", "/executions/search", search),
        Route("GET", "/executions/<execution_id>", one),
        *_history_routes(engine),
        Route("GET", "/logs/<execution_id>", logs),
        Route("POST", "/executions/<namespace>/<flow_id>", start, Permission.OPERATE),
        *(
            Route(
                method,
                f"/executions/<execution_id>/{middle}{action}",
                partial(act, action),
                Permission.OPERATE,
            )
            for action, (method, _) in operations.ACTIONS.items()
            for middle in ("actions/", "")
        ),
    ]


def _history_routes(engine: Engine) -> list[Route]:
    async def follow(call: Call) -> HttpResponse:
        return await following.follow(engine, **call.path)

    async def events(call: Call) -> HttpResponse:
        return await history.get_events(engine, **call.path)

    async def state(call: Call) -> HttpResponse:
        return await history.get_state(engine, **call.path, parameters=call.query)

    async def receipt(call: Call) -> HttpResponse:
        return await history.get_receipt(engine, **call.path, parameters=call.query)

    async def replay(call: Call) -> HttpResponse:
        return await history.replay(engine, **call.path, parameters=call.query, by=call.by)

    return [
        Route("GET", "/executions/<execution_id>/follow", follow),
        Route("GET", "/executions/<execution_id>/events", events),
        Route("GET", "/executions/<execution_id>/state", state),
        Route("GET", "/executions/<execution_id>/receipt", receipt),
        Route("POST", "/executions/<execution_id>/actions/replay", replay, Permission.OPERATE),
        Route("POST", "/executions/<execution_id>/replay", replay, Permission.OPERATE),
    ]


def _flow_routes(engine: Engine) -> list[Route]:
    async def create(call: Call) -> HttpResponse:
        return await flows.create_flow(engine, call.content_type, await call.body(), call.by)

    async def validate(call: Call) -> HttpResponse:
        return await flows.validate_flows(engine, call.content_type, await call.body())

    async def update(call: Call) -> HttpResponse:
        return await flows.update_flow(
            engine,
            **call.path,
            content_type=call.content_type,
            body=await call.body(),
            by=call.by,
            if_match=call.request.header("if-match"),
        )

    async def delete(call: Call) -> HttpResponse:
        return await flows.delete_flow(
            engine, **call.path, by=call.by, if_match=call.request.header("if-match")
        )

    async def search(call: Call) -> HttpResponse:
        return flows.search_flows(engine, call.query)

    async def listed(call: Call) -> HttpResponse:
        return flows.list_flows(engine, **call.path)

    async def one(call: Call) -> HttpResponse:
        return flows.get_flow(engine, **call.path, parameters=call.query)

    async def revisions(call: Call) -> HttpResponse:
        return flows.list_revisions(engine, **call.path)

    return [
        Route("POST", "/flows", create, Permission.EDIT),
        Route("POST", "/flows/validate", validate),
        Route("GET", "/flows/search", search),
        Route("GET", "/flows/<namespace>", listed),
        Route("GET", "/flows/<namespace>/<flow_id>", one),
        Route("PUT", "/flows/<namespace>/<flow_id>", update, Permission.EDIT),
        Route("DELETE", "/flows/<namespace>/<flow_id>", delete, Permission.EDIT),
        Route("GET", "/flows/<namespace>/<flow_id>/revisions", revisions),
    ]


def _delivery_routes(engine: Engine, webhook: WebhookHandler) -> list[Route]:
    async def described(call: Call) -> HttpResponse:
        document: Any = openapi_document(engine, webhook.public_url, software().partition("/")[2])
        return json_response(document)

    async def listed(call: Call) -> HttpResponse:
        return await deliveries.list_deliveries(engine, **call.path, parameters=call.query)

    async def one(call: Call) -> HttpResponse:
        return await deliveries.get_delivery(engine, **call.path)

    async def again(call: Call) -> HttpResponse:
        return await deliveries.replay_delivery(engine, **call.path, by=call.by)

    async def dry(call: Call) -> HttpResponse:
        return await deliveries.dry_run(
            webhook, engine, call.request, call.path["namespace"], call.path["flow"], call.path["trigger"]
        )

    trigger = "/triggers/<namespace>/<flow>/<trigger>"
    return [
        Route("GET", "/webhooks/openapi.json", described),
        Route("GET", f"{trigger}/deliveries", listed),
        Route("POST", f"{trigger}/dryRun", dry),
        Route("GET", "/deliveries/<delivery_id>", one),
        Route("POST", "/deliveries/<delivery_id>/replay", again, Permission.OPERATE),
    ]
