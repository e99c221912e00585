"""The Quart application: thin adapters from HTTP to the handlers, which know nothing of Quart."""

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from typing import Any

from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from hookledger.actors.engine import Engine
from hookledger.api.connection import Connection
from hookledger.api.credentials import Credentials
from hookledger.api.http import HttpRequest, HttpResponse, json_response, problem
from hookledger.api.routes import PREFIXES, Call, Route, answer, routes
from hookledger.api.webhook.asgi import WebhookDoor
from hookledger.api.webhook.handler import WebhookHandler
from hookledger.runtime.variables import TENANT

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
    _register(app, routes(engine, webhook), guard)
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


def _register(app: QuartTrio, table: Iterable[Route], guard: Guard) -> None:
    async def health() -> Response:
        return to_quart(json_response({"status": "UP"}))

    async def ping() -> Response:
        """What Kestra's users ask whether it is there."""
        return Response("pong", content_type="text/plain")

    app.add_url_rule("/health", "health", health, methods=["GET"])
    app.add_url_rule("/ping", "ping", ping, methods=["GET"])
    for route in table:
        view = _guarded(guard, route)
        for prefix in PREFIXES:
            path = prefix + route.path
            app.add_url_rule(path, f"{route.method} {path}", view, methods=[route.method])


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


def _guarded(guard: Guard, route: Route) -> Callable[..., Awaitable[Response]]:
    async def view(**path: str) -> Response:
        user = await guard.user()
        if user is None:
            return to_quart(guard.refusal())
        plain = plain_request(request.body)
        call = Call(request=plain, path=path, query=request.args.to_dict(flat=False), user=user)
        return to_quart(await answer(route, call))

    return view


def _error_pages(app: QuartTrio, guard: Guard) -> None:
    async def on_not_found(error: HTTPException) -> Response:
        """There is one tenant. Who knows the credentials is told so; for anybody else there is nothing here."""
        tenant = _tenant(request.path)
        known = await guard.user() is not None
        if tenant in OURS or not known:
            return to_quart(problem(404) if known or tenant != TENANT else guard.refusal())
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
    tenant, slash, _ = path.removeprefix(f"{PREFIXES[1]}/").partition("/")
    return tenant if slash and path.startswith(f"{PREFIXES[1]}/") else ""


def to_quart(response: HttpResponse) -> Response:
    """Hand a plain answer to Quart."""
    made = Response(response.stream or response.body, status=response.status)
    made.headers.clear()
    for name, value in response.headers:
        made.headers.add(name, value)
    if response.status != 204 and response.stream is None:
        made.headers["Content-Length"] = str(len(response.body))
    return made
