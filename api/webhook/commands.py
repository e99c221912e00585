"""`hookledger webhook ...`: the URL of a webhook, a curl line that works as it stands, and signatures.

Reads flow files and the secrets of this environment; needs no running server.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hookledger.journal.cli.text import say
from hookledger.journal.text import escaped

if TYPE_CHECKING:
    from hookledger.api.webhook.curl import Target

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
        say(target.url)


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
    from hookledger.api.webhook.curl import curl_line

    for target in targets(file, trigger, address):
        try:
            say(curl_line(target, _bytes(body), method, content_type))
        except ValueError as error:
            raise click.ClickException(escaped(f"{target.trigger}: {error}")) from error


@webhook.command("sign")
@click.option("--preset", required=True, help="GITHUB, STRIPE, ...; docs/webhooks/signatures.md lists them.")
@click.option("--secret", required=True, envvar="WEBHOOK_SECRET", help="Or the variable WEBHOOK_SECRET.")
@click.option("--url", "called", default="https://localhost/", help="For senders that sign it.")
@click.option("--id", "delivery", help="The delivery's own id.")
@_body
def sign_command(preset: str, secret: str, called: str, delivery: str | None, body: str) -> None:
    """Print the headers with which a preset's sender signs a body now."""
    from hookledger.api.webhook.curl import signed
    from hookledger.journal.ports import SystemClock
    from hookledger.runtime.triggers.webhook.signatures import parse_signature

    configured = parse_signature({"preset": preset.upper(), "secret": secret})
    if configured.scheme is None:
        raise click.UsageError("; ".join(f"{one.path} {one.message}" for one in configured.problems))
    try:
        now = SystemClock().now() / 1_000_000
        made = signed(configured.scheme, secret, _bytes(body), called, delivery, "application/json", now=now)
    except ValueError as error:
        raise click.ClickException(escaped(str(error))) from error
    if made.url != called:
        say(f"# call {made.url}", err=True)
    for name, value in made.headers:
        say(f"{name}: {value}")


def targets(file: Path, trigger: str | None, address: str) -> "list[Target]":
    """The webhooks of a flow file; leaves the program when there is none or a key is missing."""
    from hookledger.actors.ports import Ports
    from hookledger.api.webhook.curl import Target, webhooks
    from hookledger.runtime.flow.parse import FlowInvalid, parse_flow

    try:
        flow = parse_flow(file.read_text(encoding="utf-8"), file=str(file))
    except FlowInvalid as error:
        raise click.ClickException(escaped(str(error), lines=True)) from error
    ports, found = Ports(), []
    for one in webhooks(flow):
        if trigger in (None, one.id):
            try:
                found.append(Target(flow, one, address, ports))
            except ValueError as error:
                raise click.ClickException(escaped(f"the key of {one.id}: {error}")) from error
    if not found:
        raise click.ClickException(f"{file} has no webhook{f' {trigger}' if trigger else ''}")
    return found


def _bytes(body: str) -> bytes:
    if body == "@-":
        return sys.stdin.buffer.read()
    return Path(body[1:]).read_bytes() if body.startswith("@") else body.encode()
