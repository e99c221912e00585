"""Every route of the API, in one table. A handler gets a `Call` of plain values and knows of no web framework."""

from collections.abc import Iterable, Iterator

import msgspec

from hookledger.actors.engine import Engine
from hookledger.api.call import BODY_BYTES_MAX, BodyTooLarge, Call
from hookledger.api.identity import audit
from hookledger.api.identity import routes as tokens
from hookledger.api.identity.guard import Guard
from hookledger.api.openapi import Document
from hookledger.api.rest import (
    bulk,
    deliveries,
    evaluation,
    executions,
    files,
    flow_checks,
    flows,
    following,
    history,
    logs,
    metrics,
    operations,
    outputs,
    replaying,
    server,
    starting,
    triggers,
)
from hookledger.api.route import PREFIXES, Route, answer
from hookledger.api.webhook.handler import WebhookHandler

__all__ = ["BODY_BYTES_MAX", "PREFIXES", "BodyTooLarge", "Call", "Route", "answer", "routes"]


def routes(engine: Engine, webhook: WebhookHandler, guard: Guard) -> list[Route]:
    """The table, topic by topic; a route that had another path in Kestra 1 stands there twice."""
    document = Document()
    tables = (
        flows.table(engine),
        flow_checks.table(engine),
        executions.table(engine),
        files.table(engine),
        starting.table(engine),
        operations.table(engine),
        bulk.table(engine),
        replaying.table(engine),
        evaluation.table(engine),
        following.table(engine),
        history.table(engine),
        outputs.table(engine),
        logs.table(engine),
        metrics.table(engine),
        triggers.table(engine),
        deliveries.table(engine, webhook),
        tokens.table(guard),
        audit.table(engine),
        server.table(engine, webhook, document),
    )
    table = [route for one in tables for route in one]
    document.of(table, server.version())
    return list(_with_older(table))


def _with_older(table: Iterable[Route]) -> Iterator[Route]:
    for route in table:
        yield route
        if route.older:
            yield msgspec.structs.replace(route, path=route.older, older="")
