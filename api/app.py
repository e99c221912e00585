"""The Quart application: thin adapters from HTTP to the handlers, which know nothing of Quart."""

from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from typing import Any

from quart import Response, g, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from hookledger.actors.engine import Engine
from hookledger.api import deliveries, executions, operations
from hookledger.api.connection import Connection
from hookledger.api.credentials import Credentials
from hookledger.api.http import HttpRequest, HttpResponse, json_response, problem
from hookledger.api.webhook.asgi import WebhookDoor
from hookledger.api.webhook.handler import WebhookHandler
from hookledger.api.webhook.openapi import openapi_document
from hookledger.journal.journal import software
from hookledger.runtime.variables import TENANT

API = ("/api/v1/main", "/api/v1")
"""Every route also answers without the tenant."""
OURS = frozenset({"", TENANT, "executions", "flows", "logs", "triggers", "deliveries", "webhooks"})
"""What may stand where the tenant stands; empty outside of the API."""


class Settings:
    """What the application needs to know beside the engine."""

    def __init__(self, *, realm: str, webhook_auth: bool, idle_seconds_max: float) -> None:
        self.realm = realm
        self.webhook_auth = webhook_auth
        self.idle_seconds_max = idle_seconds_max


def make_app(
    engine: Engine, webhook: WebhookHandler, credentials: Credentials, settings: Settings
) -> QuartTrio:
    """Build the application around an open engine."""
    app = QuartTrio(__name__, static_folder=None)
    app.asgi_http_class = Connection
    app.config["MAX_CONTENT_LENGTH"] = None  # the handlers bound what they read
    app.config["RESPONSE_TIMEOUT"] = None
    app.config["BODY_TIMEOUT"] = None
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    guard = Guard(credentials, settings)
    framework: Any = app
    framework.asgi_app = WebhookDoor(
        framework.asgi_app,
        webhook,
        idle_seconds_max=settings.idle_seconds_max,
        credentials=credentials if settings.webhook_auth else None,
        realm=settings.realm,
    )
    _api_routes(app, engine, guard)
    _delivery_routes(app, engine, webhook, guard)
    _error_pages(app, guard)
    return app


class Guard:
    """Lets a request through only with right credentials."""

    def __init__(self, credentials: Credentials, settings: Settings) -> None:
        self._credentials = credentials
        self._settings = settings

    async def user(self) -> str | None:
        """Name of the user who sent the request, None for nobody known."""
        return await self._credentials.check(request.headers.get("Authorization"))

    def refusal(self) -> HttpResponse:
        """The answer to a request without right credentials."""
        challenge = {"WWW-Authenticate": f'Basic realm="{self._settings.realm}", charset="UTF-8"'}
        return problem(401, "this needs a user name and a password (HTTP Basic)", headers=challenge)


def _api_routes(app: QuartTrio, engine: Engine, guard: Guard) -> None:
    async def health() -> Response:
        return to_quart(json_response({"status": "UP"}))

    async def execution(execution_id: str) -> HttpResponse:
        return await executions.get_execution(engine, execution_id)

    async def search() -> HttpResponse:
        return await executions.search_executions(engine, query_parameters())

    async def flow(namespace: str, flow_id: str) -> HttpResponse:
        return executions.get_flow(engine, namespace, flow_id, query_parameters())

    async def logs(execution_id: str) -> HttpResponse:
        return await operations.get_logs(engine, execution_id)

    async def start(namespace: str, flow_id: str) -> HttpResponse:
        body, user = await _body(), _user()
        return await operations.start(engine, namespace, flow_id, query_parameters(), body, user)

    app.add_url_rule("/health", "health", health, methods=["GET"])
    routes: list[tuple[str, str, Callable[..., Awaitable[HttpResponse]]]] = [
        ("GET", "/executions/search", search),
        ("GET", "/executions/<execution_id>", execution),
        ("GET", "/flows/<namespace>/<flow_id>", flow),
        ("GET", "/logs/<execution_id>", logs),
        ("POST", "/executions/<namespace>/<flow_id>", start),
    ]
    for action, (method, _) in operations.ACTIONS.items():
        view = _action(engine, action)
        routes += [
            (method, f"/executions/<execution_id>/{middle}{action}", view) for middle in ("actions/", "")
        ]
    for prefix in API:
        for method, path, view in routes:
            app.add_url_rule(
                prefix + path, f"{method} {prefix}{path}", _guarded(guard, view), methods=[method]
            )


def _action(engine: Engine, action: str) -> Callable[..., Awaitable[HttpResponse]]:
    async def act(execution_id: str) -> HttpResponse:
        return await operations.act(engine, execution_id, action, await _body(), _user())

    return act


async def _body() -> bytes:
    """The request's body, which no route of ours wants to be large."""
    parts: list[bytes] = []
    async for chunk in request.body:
        parts.append(chunk)
        if sum(map(len, parts)) > operations.BODY_BYTES_MAX:
            raise RequestEntityTooLarge
    return b"".join(parts)


def _user() -> str:
    """Who sent the request; only behind the guard."""
    return str(g.user)


def _delivery_routes(app: QuartTrio, engine: Engine, webhook: WebhookHandler, guard: Guard) -> None:
    async def listed(namespace: str, flow_id: str, trigger_id: str) -> HttpResponse:
        return await deliveries.list_deliveries(engine, namespace, flow_id, trigger_id, query_parameters())

    async def one(delivery_id: str) -> HttpResponse:
        return await deliveries.get_delivery(engine, delivery_id)

    async def again(delivery_id: str) -> HttpResponse:
        return await deliveries.replay_delivery(engine, delivery_id, _user())

    async def dry(namespace: str, flow_id: str, trigger_id: str) -> HttpResponse:
        asked = plain_request(request.body)
        return await deliveries.dry_run(webhook, engine, asked, namespace, flow_id, trigger_id)

    async def described() -> HttpResponse:
        return json_response(openapi_document(engine, webhook.public_url, software().partition("/")[2]))

    trigger = "/triggers/<namespace>/<flow_id>/<trigger_id>"
    for index, prefix in enumerate(API):
        for path, view, method in (
            ("/webhooks/openapi.json", described, "GET"),
            (f"{trigger}/deliveries", listed, "GET"),
            ("/deliveries/<delivery_id>", one, "GET"),
            ("/deliveries/<delivery_id>/replay", again, "POST"),
            (f"{trigger}/dryRun", dry, "POST"),
        ):
            guarded = _guarded(guard, view)
            app.add_url_rule(prefix + path, f"deliveries {view.__name__} {index}", guarded, methods=[method])


def plain_request(body: AsyncIterable[bytes]) -> HttpRequest:
    """The current request as plain values, in the sender's own spelling."""
    scope: Any = request.scope
    return HttpRequest(
        method=request.method,
        raw_path=request.path,
        raw_query=scope["query_string"].decode("latin-1"),
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
        body=body,
        peer=(scope.get("client") or ("",))[0],
        scheme=scope["scheme"],
    )


def _guarded(
    guard: Guard, view: Callable[..., Awaitable[HttpResponse]]
) -> Callable[..., Awaitable[Response]]:
    async def answer(**arguments: Any) -> Response:
        g.user = await guard.user()
        if g.user is None:
            return to_quart(guard.refusal())
        return to_quart(await view(**arguments))

    return answer


def _error_pages(app: QuartTrio, guard: Guard) -> None:
    async def on_not_found(error: HTTPException) -> Response:
        """There is one tenant. Who knows the credentials is told so; for anybody else there is nothing here."""
        tenant = _tenant(request.path)
        if tenant in OURS or await guard.user() is None:
            return to_quart(problem(404))
        return to_quart(problem(400, f"the tenant must be `{TENANT}`, not `{tenant}`", slug="tenant-unknown"))

    async def on_http_error(error: HTTPException) -> Response:
        headers: Mapping[str, str] = {}
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            headers = {"Allow": ", ".join(sorted(error.valid_methods))}
        return to_quart(problem(error.code or 500, headers=headers))

    async def on_error(error: Exception) -> Response:
        app.logger.error("unexpected error while answering %s", request.method, exc_info=error)
        return to_quart(problem(500, "an unexpected error; the server's log says more"))

    app.register_error_handler(404, on_not_found)
    app.register_error_handler(HTTPException, on_http_error)
    app.register_error_handler(Exception, on_error)


def _tenant(path: str) -> str:
    """The tenant a path names, empty when it is no path of the API."""
    tenant, slash, _ = path.removeprefix(f"{API[1]}/").partition("/")
    return tenant if slash and path.startswith(f"{API[1]}/") else ""


def query_parameters() -> Mapping[str, list[str]]:
    """The current request's query as name to list of values."""
    return request.args.to_dict(flat=False)


def to_quart(response: HttpResponse) -> Response:
    """Hand a plain answer to Quart."""
    made = Response(response.body, status=response.status)
    made.headers.clear()
    for name, value in response.headers:
        made.headers.add(name, value)
    if response.status != 204:
        made.headers["Content-Length"] = str(len(response.body))
    return made
