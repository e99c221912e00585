"""How somebody gets their first execution: a command that works as it is."""

import shlex

import msgspec

from hookledger.actors.engine import Engine
from hookledger.api.console.pages import flow_path
from hookledger.api.webhook.route import webhook_path
from hookledger.runtime.flow.model import Flow, Trigger
from hookledger.runtime.flow.templates import source_of
from hookledger.runtime.triggers.webhook import WebhookSettings


class FirstRun(msgspec.Struct, frozen=True, kw_only=True):
    """A flow, its page, and the command that starts it."""

    flow: str
    path: str
    command: str


def first_run(engine: Engine, address: str) -> FirstRun | None:
    """A command for one of the flows; None when there is none that a plain request can start.

    Args:
        address: Where senders reach this server, such as `https://hooks.example.com`.
    """
    flows = [one.flow for one in engine.flows if one.flow is not None and not one.flow.disabled]
    for flow in sorted(flows, key=_reaches_out):
        for trigger in flow.triggers:
            if command := _command(flow, trigger, address):
                return FirstRun(flow=flow.name, path=flow_path(flow.namespace, flow.id), command=command)
    return None


def _reaches_out(flow: Flow) -> bool:
    """Whether it needs something outside to answer, which on a first day may not be there."""
    return any(task.kind.effect != "pure" for task in flow.walk())


def _command(flow: Flow, trigger: Trigger, address: str) -> str:
    """Empty when a request needs more than the address, or when the key is a secret."""
    settings = trigger.settings
    if not isinstance(settings, WebhookSettings) or trigger.disabled or _demanding(flow, trigger, settings):
        return ""
    key = source_of(settings.key)
    if not isinstance(key, str) or "{{" in key or "{%" in key:
        return ""
    method = "" if "GET" in settings.methods else f"-X {settings.methods[0]} "
    return f"curl {method}{shlex.quote(address + webhook_path(flow.namespace, flow.id, key))}"


def _demanding(flow: Flow, trigger: Trigger, settings: WebhookSettings) -> bool:
    """Whether a request has to bring something: proof of who sends it, a body, values that a rule asks for."""
    proof = settings.signature or settings.authentication or settings.allowed_ips or settings.handshakes
    content = (
        settings.schema or settings.strict_json or settings.accept or settings.cloud_events == "REQUIRED"
    )
    rules = trigger.when is not None or trigger.conditions or flow.inputs
    return bool(proof or content or rules)
