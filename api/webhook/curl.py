"""The one place where a request to a webhook is made ready: for a curl line, for the console's test, for a person.

Every word of a curl line is quoted for the shell, so nothing in a body or a key can be taken for a command.
"""

import base64
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from hookledger.actors.ports import Ports
from hookledger.api.http import Headers
from hookledger.api.webhook.redaction import REDACTED, SECRET_HEADERS, redact_query
from hookledger.api.webhook.route import Match, early_variables, matched, webhook_path
from hookledger.runtime.expressions import ExpressionError
from hookledger.runtime.flow.model import Flow, Trigger
from hookledger.runtime.flow.templates import Tree, render_tree
from hookledger.runtime.triggers.webhook import WebhookSettings

PAYLOAD: Final = '{"key1":"value1","key2":"value2"}'
JSON: Final = "application/json"
HIDDEN: Final = "••••••••"
BODILESS: Final = ("GET", "HEAD")


class Target:
    """One webhook of a flow.

    Raises:
        ValueError: Its key cannot be rendered with the secrets of these ports.
    """

    def __init__(self, flow: Flow, trigger: Trigger, address: str, ports: Ports) -> None:
        self.flow, self.definition, self.trigger = flow, trigger, trigger.id
        self.settings: WebhookSettings = trigger.settings
        self._ports = ports
        self._address = address.rstrip("/")
        self.key = str(self.render(self.settings.key)).strip()

    @property
    def path(self) -> str:
        """Where the webhook is on its server."""
        return webhook_path(self.flow.namespace, self.flow.id, self.key)

    @property
    def url(self) -> str:
        """Where it is called."""
        return self._address + self.path

    @property
    def now(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return self._ports.clock.now() / 1_000_000

    def render(self, tree: Tree) -> Any:
        """Render a secret of the trigger.

        Raises:
            ValueError: It cannot be rendered here.
        """
        variables = early_variables(self.flow, self.definition, self._ports.environment)
        try:
            return render_tree(tree, variables, self._ports.ambient())
        except ExpressionError as error:
            raise ValueError(str(error)) from error


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A request with everything that its trigger wants."""

    method: str
    url: str
    headers: Headers = ()
    user: str = ""
    """`name:password` for HTTP Basic."""
    body: bytes = b""

    def all_headers(self) -> Headers:
        """With the credentials as a header."""
        if not self.user:
            return self.headers
        token = base64.b64encode(self.user.encode()).decode()
        return (*self.headers, ("Authorization", f"Basic {token}"))


def hidden_url(flow: Flow, address: str) -> str:
    """The URL of a webhook whose key is not shown."""
    return address.rstrip("/") + webhook_path(flow.namespace, flow.id, "") + HIDDEN


def default_method(settings: WebhookSettings) -> str:
    """POST, or the first method that the trigger takes."""
    return "POST" if "POST" in settings.methods else settings.methods[0]


def prepared(
    target: Target, body: bytes, method: str | None = None, content_type: str = JSON, query: str = ""
) -> Prepared:
    """A request that the trigger accepts: its credentials, and a signature made now.

    Args:
        query: As it stands in the URL, encoded.

    Raises:
        ValueError: It cannot be signed with the secret of the trigger.
    """
    settings = target.settings
    chosen = (method or default_method(settings)).upper()
    bodiless = chosen in BODILESS
    headers = [] if bodiless else [("Content-Type", content_type)]
    body = b"" if bodiless else body
    tail = f"?{query}" if query else ""
    called = target.url + tail
    signature = settings.signature
    if signature is not None and signature.scheme.covers(chosen):
        if not signature.secrets:
            raise ValueError("only its public key is known, so nothing can be signed here")
        secret = str(target.render(signature.secrets[0]))
        public = (settings.public_url or target.url) + tail
        made = signed(
            signature.scheme, secret, body, public, None, content_type, now=target.now, method=chosen
        )
        headers += made.headers
        called = target.url + f"?{made.url.partition('?')[2]}" if made.url != public else called
    known = _credentials(target)
    if known.query:
        called += f"{'&' if '?' in called else '?'}{known.query}"
    return Prepared(method=chosen, url=called, headers=(*headers, *known.headers), user=known.user, body=body)


def curl_line(target: Target, body: bytes, method: str | None = None, content_type: str = JSON) -> str:
    """One command, every word quoted.

    Raises:
        ValueError: The request cannot be signed with the secret of the trigger.
    """
    return line_of(prepared(target, body, method, content_type))


def line_of(request: Prepared) -> str:
    """One command, every word quoted; curl itself reads nothing into the body (`--data-binary @x` names a file).

    Raises:
        ValueError: No shell can carry the body.
    """
    if b"\0" in request.body:
        raise ValueError("the body has a NUL byte, which no command line can carry; send it from a file")
    words = ["curl", "-X", request.method]
    if request.user:
        words += ["-u", request.user]
    for name, value in request.headers:
        words += ["-H", f"{name}: {value}"]
    if request.body:
        words += ["--data-raw", request.body.decode("utf-8")]
    return shlex.join([*words, request.url])


def hidden(target: Target, request: Prepared) -> Prepared:
    """The same request for the eye: without key, credentials and signature, so that it cannot be sent again."""
    match = matched(target.flow, target.definition, target.settings)
    secret = SECRET_HEADERS | match.secret_headers
    headers = tuple((name, HIDDEN if name.lower() in secret else value) for name, value in request.headers)
    path, mark, query = request.url.partition("?")
    url = hidden_url(target.flow, path.removesuffix(target.path)) + mark + _hidden_query(query, match)
    user = f"{request.user.partition(':')[0]}:{HIDDEN}" if request.user else ""
    return msgspec.structs.replace(request, url=url, headers=headers, user=user)


def _hidden_query(query: str, match: Match) -> str:
    return redact_query(query, match.secret_parameters).replace(REDACTED, HIDDEN)


def signed(
    scheme: Any,
    secret: str,
    body: bytes,
    url: str,
    delivery: str | None,
    content_type: str,
    *,
    now: float,
    method: str = "POST",
) -> Any:
    """Sign a body as the scheme's sender does.

    Args:
        now: Seconds since 1970-01-01 UTC.

    Raises:
        ValueError: The secret has not the form it is signed with, or something is missing that is signed.
    """
    from hookledger.runtime.triggers.webhook.signatures import Draft, sign

    headers = (("Content-Type", content_type),)
    draft = Draft(body=body, now=now, url=url, headers=headers, delivery_id=delivery, method=method)
    return sign(scheme, secret, draft)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What shows who calls."""

    user: str = ""
    headers: Headers = ()
    query: str = ""


def _credentials(target: Target) -> Known:
    """The first way of `authentication` that fixed values can satisfy."""
    for tree in target.settings.authentication:
        way = target.render(tree)
        make = _WAYS.get(way["type"])
        if make is not None:
            return make(way)
    return Known()


_WAYS: Final[Mapping[str, Callable[[Mapping[str, Any]], Known]]] = {
    "BASIC": lambda way: Known(user=f"{way['username']}:{way['password']}"),
    "BEARER": lambda way: Known(headers=(("Authorization", f"Bearer {way['token']}"),)),
    "HEADER": lambda way: Known(headers=((str(way["name"]), str(way["value"])),)),
    "QUERY": lambda way: Known(query=urlencode({str(way["name"]): str(way["value"])})),
}


def webhooks(flow: Flow) -> Iterator[Trigger]:
    """The webhooks of a flow."""
    yield from (one for one in flow.triggers if isinstance(one.settings, WebhookSettings))
