"""REST: the server itself: whether it lives, which version it is, and how its API is described."""

from functools import partial

from hookledger.actors.engine import Engine
from hookledger.api.call import Call
from hookledger.api.http import HttpResponse, json_response
from hookledger.api.openapi import Document
from hookledger.api.queries import Nothing
from hookledger.api.readiness import Health, Readiness, readiness, troubles
from hookledger.api.route import PREFIXES, Reply, Route
from hookledger.api.shapes import Shape
from hookledger.api.webhook.handler import WebhookHandler
from hookledger.api.webhook.openapi import openapi_document
from hookledger.journal.journal import software


class Configs(Shape, frozen=True, kw_only=True):
    """What a client may want to know of a server."""

    version: str
    product: str = "hookledger"
    edition: str = "OSS"
    """For programs that ask a Kestra for its edition."""


async def ping(call: Call, query: Nothing) -> HttpResponse:
    """It answers."""
    return HttpResponse(status=200, headers=(("Content-Type", "text/plain"),), body=b"pong")


async def health(call: Call, query: Nothing) -> HttpResponse:
    """It answers."""
    return json_response(Health())


async def ready(engine: Engine, call: Call, query: Nothing) -> HttpResponse:
    """Whether it serves, and what is wrong when it does not."""
    return readiness(tuple(troubles(engine)))


async def configs(call: Call, query: Nothing) -> HttpResponse:
    """The version."""
    return json_response(Configs(version=version()))


async def describe(document: Document, call: Call, query: Nothing) -> HttpResponse:
    """The API as OpenAPI 3.1."""
    return json_response(document.made())


async def describe_webhooks(
    engine: Engine, webhook: WebhookHandler, call: Call, query: Nothing
) -> HttpResponse:
    """All webhooks as OpenAPI 3.1, without keys and secrets."""
    return json_response(openapi_document(engine, webhook.public_url, version()))


def version() -> str:
    """Of this software."""
    return software().partition("/")[2]


def table(engine: Engine, webhook: WebhookHandler, document: Document) -> list[Route]:
    """The server."""
    return [
        Route(
            "GET",
            "/health",
            health,
            None,
            "Ask whether the server lives",
            answers=Reply(Health),
            prefixes=("",),
            query=Nothing,
        ),
        Route(
            "GET",
            "/ready",
            partial(ready, engine),
            None,
            "Ask whether the server serves, and what is wrong when it does not",
            answers=Reply(Readiness),
            errors=(503,),
            prefixes=("",),
            query=Nothing,
        ),
        Route(
            "GET",
            "/ping",
            ping,
            None,
            "Ask whether the server answers",
            answers=Reply(None, "text/plain"),
            prefixes=("",),
            query=Nothing,
        ),
        Route(
            "GET",
            "/configs",
            configs,
            summary="Read the server's version",
            answers=Reply(Configs),
            query=Nothing,
        ),
        Route(
            "GET",
            "/openapi.json",
            partial(describe, document),
            summary="Read this description",
            answers=Reply(dict),
            prefixes=("/api", *PREFIXES),
            query=Nothing,
        ),
        Route(
            "GET",
            "/webhooks/openapi.json",
            partial(describe_webhooks, engine, webhook),
            summary="Read the description of all webhooks",
            answers=Reply(dict),
            query=Nothing,
        ),
    ]
