"""`hookledger webhook ...`: the URL of a webhook, a curl line that works as it stands, and signatures.

Reads flow files and the secrets of this environment; needs no running server. Every word of a curl line is quoted
for the shell, so nothing in a body or a key can be taken for a command.
"""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

PAYLOAD = '{"key1":"value1","key2":"value2"}'
ADDRESS = "http://127.0.0.1:8080"


@click.group()
def webhook() -> None:
    """URLs, curl lines and signatures for webhooks."""


_file = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
_trigger = click.option("--trigger", help="Only this trigger of the flow.")
_address = click.option(
    "--address",
    envvar="HOOKLEDGER_PUBLIC_URL",
    default=ADDRESS,
    show_default=True,
    help="Where the server is.",
)
_body = click.option("-d", "--data", "body", default=PAYLOAD, show_default=True, help="Body, or @FILE.")


@webhook.command("url")
@_file
@_trigger
@_address
def url(file: Path, trigger: str | None, address: str) -> None:
    """Print the URLs of a flow's webhooks."""
    for target in targets(file, trigger, address):
        click.echo(target.url)


@webhook.command("curl")
@_file
@_trigger
@_address
@_body
@click.option("-X", "--method", help="Method. [default: POST, or the first the trigger takes]")
@click.option("--content-type", default="application/json", show_default=True)
def curl(
    file: Path, trigger: str | None, address: str, body: str, method: str | None, content_type: str
) -> None:
    """Print a curl line with a live signature for each of a flow's webhooks."""
    for target in targets(file, trigger, address):
        try:
            click.echo(curl_line(target, _bytes(body), method, content_type))
        except ValueError as error:
            raise click.ClickException(f"{target.trigger}: {error}") from error


@webhook.command("sign")
@click.option("--preset", required=True, help="GITHUB, STRIPE, ...; docs/webhooks/signatures.md lists them.")
@click.option("--secret", required=True, envvar="WEBHOOK_SECRET", help="Or the variable WEBHOOK_SECRET.")
@click.option("--url", "called", default="https://localhost/", help="For senders that sign it.")
@click.option("--id", "delivery", help="The delivery's own id.")
@_body
def sign_command(preset: str, secret: str, called: str, delivery: str | None, body: str) -> None:
    """Print the headers with which a preset's sender signs a body now."""
    from hookledger.runtime.triggers.webhook.signatures import parse_signature

    configured = parse_signature({"preset": preset.upper(), "secret": secret})
    if configured.scheme is None:
        raise click.UsageError("; ".join(f"{one.path} {one.message}" for one in configured.problems))
    try:
        made = signed(configured.scheme, secret, _bytes(body), called, delivery, "application/json")
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if made.url != called:
        click.echo(f"# call {made.url}", err=True)
    for name, value in made.headers:
        click.echo(f"{name}: {value}")


class Target:
    """One webhook of a flow file."""

    def __init__(self, flow: Any, trigger: Any, key: str, address: str, ports: Any) -> None:
        from hookledger.api.webhook.route import webhook_path

        self.flow, self.settings, self.trigger = flow, trigger.settings, trigger.id
        self.definition, self.ports = trigger, ports
        self.url = address.rstrip("/") + webhook_path(flow.namespace, flow.id, key)

    def render(self, tree: Any) -> Any:
        """Render a secret of the trigger.

        Raises:
            ValueError: It cannot be rendered here.
        """
        from hookledger.api.webhook.route import early_variables
        from hookledger.runtime.expressions import ExpressionError
        from hookledger.runtime.flow.templates import render_tree

        variables = early_variables(self.flow, self.definition, self.ports.environment)
        try:
            return render_tree(tree, variables, self.ports.ambient())
        except ExpressionError as error:
            raise ValueError(f"{error} (secrets are read from HOOKLEDGER_SECRET_<NAME>)") from error


def targets(file: Path, trigger: str | None, address: str) -> list[Target]:
    """The webhooks of a flow file; leaves the program when there is none or a key is missing."""
    from hookledger.actors.ports import Ports
    from hookledger.runtime.flow.parse import FlowInvalid, parse_flow
    from hookledger.runtime.triggers.webhook import WebhookSettings

    try:
        flow = parse_flow(file.read_text(encoding="utf-8"), file=str(file))
    except FlowInvalid as error:
        raise click.ClickException(str(error)) from error
    ports, found = Ports(), []
    for one in flow.triggers:
        if isinstance(one.settings, WebhookSettings) and trigger in (None, one.id):
            bare = Target(flow, one, "KEY", address, ports)
            try:
                key = str(bare.render(one.settings.key)).strip()
            except ValueError as error:
                raise click.ClickException(f"the key of {one.id}: {error}") from error
            found.append(Target(flow, one, key, address, ports))
    if not found:
        raise click.ClickException(f"{file} has no webhook{f' {trigger}' if trigger else ''}")
    return found


def curl_line(target: Target, body: bytes, method: str | None, content_type: str) -> str:
    """One command, every word quoted.

    Raises:
        ValueError: The request cannot be signed with the secret of the trigger.
    """
    settings = target.settings
    chosen: str = method or ("POST" if "POST" in settings.methods else settings.methods[0])
    method = chosen.upper()
    called = target.url
    words = ["curl", "-X", chosen.upper()]
    headers = [("Content-Type", content_type)] if method not in ("GET", "HEAD") else []
    body = body if headers else b""
    if settings.signature is not None:
        secrets = settings.signature.secrets
        if not secrets:
            raise ValueError("only its public key is known, so nothing can be signed here")
        secret = str(target.render(secrets[0]))
        public = settings.public_url or target.url
        made = signed(settings.signature.scheme, secret, body, public, None, content_type)
        headers += made.headers
        called += f"?{made.url.partition('?')[2]}" if made.url != public else ""
    words += _credentials(target)
    called = _with_parameter(called, target)
    for name, value in headers:
        words += ["-H", f"{name}: {value}"]
    if body:
        words += ["--data-binary", body.decode("utf-8")]
    return shlex.join([*words, called])


def signed(scheme: Any, secret: str, body: bytes, url: str, delivery: str | None, content_type: str) -> Any:
    """Sign a body as the scheme's sender does, now."""
    from hookledger.journal.ports import SystemClock
    from hookledger.runtime.triggers.webhook.signatures import Draft, sign

    headers = (("Content-Type", content_type),)
    now = SystemClock().now() / 1_000_000
    return sign(scheme, secret, Draft(body=body, now=now, url=url, headers=headers, delivery_id=delivery))


def _credentials(target: Target) -> Iterator[str]:
    """The first way of `authentication` that fixed values can satisfy."""
    for tree in target.settings.authentication:
        way = target.render(tree)
        match way["type"]:
            case "BASIC":
                yield from ("-u", f"{way['username']}:{way['password']}")
            case "BEARER":
                yield from ("-H", f"Authorization: Bearer {way['token']}")
            case "HEADER":
                yield from ("-H", f"{way['name']}: {way['value']}")
            case "QUERY":
                return
            case _:
                continue
        return


def _with_parameter(url: str, target: Target) -> str:
    """The URL with the parameter that is the first way of `authentication`."""
    way = target.render(target.settings.authentication[0]) if target.settings.authentication else {}
    if way.get("type") != "QUERY":
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode({way['name']: way['value']})}"


def _bytes(body: str) -> bytes:
    if body == "@-":
        return sys.stdin.buffer.read()
    return Path(body[1:]).read_bytes() if body.startswith("@") else body.encode()
