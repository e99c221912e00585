"""The Quart application: thin adapters from HTTP to the handlers, which know nothing of Quart."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from quart import Response, current_app, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from hookledger.actors.engine import Engine
from hookledger.api.call import Call
from hookledger.api.connection import Connection, PatientBody
from hookledger.api.console.assets import PREFIX, Assets
from hookledger.api.console.pages import Pages
from hookledger.api.console.problem_pages import error_page
from hookledger.api.console.route import PageRoute, answer_page
from hookledger.api.console.routes import console_routes
from hookledger.api.html import PRIVATE, secured, see_other
from hookledger.api.http import BodyTooSlow, HttpRequest, HttpResponse, journal_stopped, problem
from hookledger.api.identity.guard import Admitted, Guard
from hookledger.api.identity.pages import Entrance
from hookledger.api.identity.places import HOME, LOGIN, LOGOUT, UI
from hookledger.api.route import PREFIXES, Route, answer
from hookledger.api.routes import routes
from hookledger.api.webhook.asgi import WebhookDoor, invitation
from hookledger.api.webhook.handler import WebhookHandler
from hookledger.api.webhook.refusal import Refused
from hookledger.journal.errors import JournalPoisoned
from hookledger.runtime.variables import TENANT

OURS = frozenset(
    {
        "",
        TENANT,
        "executions",
        "flows",
        "logs",
        "metrics",
        "outputs",
        "triggers",
        "deliveries",
        "webhooks",
        "configs",
    }
)
"""What may stand where the tenant stands; empty outside of the API."""


FIRST: Final = ("/", "/ui", "/ui/", UI)
"""Lead to the console's first page."""
IDLE: Final = "BODY_IDLE_SECONDS_MAX"


class Settings:
    """What the application needs to know beside the engine."""

    def __init__(self, *, webhook_auth: bool, idle_seconds_max: float) -> None:
        self.webhook_auth = webhook_auth
        self.idle_seconds_max = idle_seconds_max


def make_app(engine: Engine, webhook: WebhookHandler, guard: Guard, settings: Settings) -> QuartTrio:
    """Build the application around an open engine."""
    app = QuartTrio(__name__, static_folder=None)
    app.asgi_http_class = Connection
    app.config["MAX_CONTENT_LENGTH"] = None  # the handlers bound what they read
    app.config["RESPONSE_TIMEOUT"] = None
    app.config["BODY_TIMEOUT"] = None
    app.config[IDLE] = settings.idle_seconds_max
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    framework: Any = app
    framework.asgi_app = WebhookDoor(
        framework.asgi_app,
        webhook,
        idle_seconds_max=settings.idle_seconds_max,
        guard=guard if settings.webhook_auth else None,
    )
    assets = Assets()
    pages = Pages(assets)
    _register(app, routes(engine, webhook, guard), guard)
    _register_assets(app, assets)
    _register_console(app, console_routes(engine, webhook, guard, pages), Entrance(guard, pages.draw))
    _error_pages(app, guard, pages)
    return app


def _register(app: QuartTrio, table: Iterable[Route], guard: Guard) -> None:
    for route in table:
        view = _guarded(guard, route)
        for prefix in route.prefixes:
            path = prefix + route.path
            app.add_url_rule(path, f"{route.method} {path}", view, methods=[route.method])


def plain_request() -> HttpRequest:
    """The current request as plain values, in the sender's own spelling."""
    scope: Any = request.scope
    return HttpRequest(
        method=request.method,
        raw_path=request.path,
        raw_query=scope["query_string"].decode("latin-1"),
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
        body=PatientBody(request.body, current_app.config[IDLE], invitation(scope)),
        peer=(scope.get("client") or ("",))[0],
        scheme=scope["scheme"],
    )


def _guarded(guard: Guard, route: Route) -> Callable[..., Awaitable[Response]]:
    async def view(**path: str) -> Response:
        try:
            admitted = await guard.admit(plain_request(), route.needs)
        except Refused as refused:
            return _privately(refused.answer())
        response = await answer(route, _call(admitted, path))
        return _privately(admitted.access.bounded(response))

    return view


def _register_assets(app: QuartTrio, assets: Assets) -> None:
    async def asset(digest: str, name: str) -> Response:
        return to_quart(assets.answer(digest, name))

    app.add_url_rule(f"{PREFIX}/<digest>/<name>", "asset", asset, methods=["GET"])


def _register_console(app: QuartTrio, table: Iterable[PageRoute], entrance: Entrance) -> None:
    async def home() -> Response:
        """Werkzeug takes `//` for `/`; we do not."""
        scope: Any = request.scope
        return to_quart(see_other(HOME) if scope["path"] in FIRST else problem(404))

    async def form() -> Response:
        return to_quart(await entrance.form(plain_request(), request.args.get("next", "")))

    async def login() -> Response:
        return to_quart(await entrance.login(plain_request()))

    async def logout() -> Response:
        return to_quart(await entrance.logout(plain_request()))

    for path in FIRST:
        app.add_url_rule(path, f"home {path}", home, methods=["GET"])
    app.add_url_rule(LOGIN, "login form", form, methods=["GET"])
    app.add_url_rule(LOGIN, "login", login, methods=["POST"])
    app.add_url_rule(LOGOUT, "logout", logout, methods=["POST"])
    for route in table:
        path = UI + route.path
        app.add_url_rule(path, f"{route.method} {path}", _entered(entrance, route), methods=[route.method])


def _entered(entrance: Entrance, route: PageRoute) -> Callable[..., Awaitable[Response]]:
    async def view(**path: str) -> Response:
        plain = plain_request()
        try:
            admitted = await entrance.enter(plain, route.needs)
        except Refused as refused:
            return to_quart(entrance.refused(plain, refused))
        response = await answer_page(route, _call(admitted, path))
        return to_quart(secured(admitted.access.bounded(response)))

    return view


def _call(admitted: Admitted, path: Mapping[str, str]) -> Call:
    return Call(
        request=admitted.request,
        path=path,
        query=request.args.to_dict(flat=False),
        identity=admitted.identity,
        csrf=admitted.csrf,
    )


def _error_pages(app: QuartTrio, guard: Guard, pages: Pages) -> None:
    async def on_not_found(error: HTTPException) -> Response:
        """There is one tenant. Who knows the credentials is told so; for anybody else there is nothing here."""
        if (page := error_page(pages, guard, plain_request(), 404)) is not None:
            return to_quart(page)
        tenant = _tenant(request.path)
        plain = plain_request()
        known = await guard.knows(plain)
        if tenant == TENANT and not known:
            return _privately(guard.challenge(plain).answer())
        if tenant in OURS or not known:
            return _privately(problem(404, "there is nothing here; GET /api/openapi.json lists every path"))
        return _privately(
            problem(400, f"the tenant must be `{TENANT}`, not `{tenant}`", slug="tenant-unknown")
        )

    async def on_http_error(error: HTTPException) -> Response:
        headers: Mapping[str, str] = {}
        detail = error.description or "this cannot be answered; GET /api/openapi.json says what can"
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            headers = {"Allow": ", ".join(sorted(error.valid_methods))}
            detail = f"this path takes {headers['Allow']}"
        return _privately(problem(error.code or 500, detail, headers=headers))

    async def on_too_slow(error: BodyTooSlow) -> Response:
        return _privately(problem(408, f"{error}; send the body again, and faster", slug="request-timeout"))

    async def on_poisoned(_error: JournalPoisoned) -> Response:
        return _privately(journal_stopped())

    async def on_error(error: Exception) -> Response:
        app.logger.error("unexpected error while answering %s", request.method, exc_info=error)
        page = error_page(pages, guard, plain_request(), 500)
        return _privately(page or problem(500, "an unexpected error; the server's log says more"))

    app.register_error_handler(404, on_not_found)
    app.register_error_handler(HTTPException, on_http_error)
    app.register_error_handler(BodyTooSlow, on_too_slow)
    app.register_error_handler(JournalPoisoned, on_poisoned)
    app.register_error_handler(Exception, on_error)


def _tenant(path: str) -> str:
    """The tenant a path names, empty when it is no path of the API."""
    tenant, slash, _ = path.removeprefix(f"{PREFIXES[1]}/").partition("/")
    return tenant if slash and path.startswith(f"{PREFIXES[1]}/") else ""


def _privately(response: HttpResponse) -> Response:
    """Data and problems are for who asked: no cache keeps them, no browser guesses at them."""
    return to_quart(secured(response, PRIVATE))


def to_quart(response: HttpResponse) -> Response:
    """Hand a plain answer to Quart."""
    made = Response(response.stream or response.body, status=response.status)
    made.headers.clear()
    for name, value in response.headers:
        made.headers.add(name, value)
    if response.status != 204 and response.stream is None:
        made.headers["Content-Length"] = str(len(response.body))
    return made
