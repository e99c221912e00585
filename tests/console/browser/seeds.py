"""A shop's morning: flows, and an hour of executions in every state, as a person finds them in the console."""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any, Final

import httpx
import trio

from hookledger.actors import Ports
from hookledger.journal.deliveries import DeliveryQuery
from hookledger.journal.sqlite import SqliteReader, partition_file
from hookledger.runtime.secret_inputs import Cipher
from hookledger.runtime.secrets import environment_secrets
from tests.api.identity.people import API, PEOPLE, Clock, auth
from tests.api.site import HOOK, Site, open_site
from tests.system.processes import executions

SECRETS: Final = {
    "HOOKLEDGER_SECRET_STRIPE": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "HOOKLEDGER_SECRET_GITHUB": "it's a $ecret",
}
FLOWS: Final = {
    "new_order": """
id: new_order
namespace: shop.orders
description: |
  Takes an order from the web shop and answers with what was reserved.
labels: {team: checkout}
tasks:
  - id: heard
    type: io.kestra.plugin.core.log.Log
    message: "order {{ trigger.body.order }} over {{ trigger.body.total }} EUR"
  - id: ask_all
    type: io.kestra.plugin.core.flow.Parallel
    tasks:
      - {id: stock, type: io.kestra.plugin.core.flow.Sleep, duration: "{{ trigger.body.pace ?? 'PT0.05S' }}"}
      - {id: card, type: io.kestra.plugin.core.flow.Sleep, duration: PT0.04S}
      - {id: risk, type: io.kestra.plugin.core.debug.Return, format: "{{ trigger.body.total > 500 ? 'high' : 'low' }}"}
  - id: look_closely
    type: io.kestra.plugin.core.flow.If
    condition: "{{ outputs.risk.value == 'high' }}"
    then:
      - id: tell
        type: io.kestra.plugin.core.log.Log
        level: WARN
        message: "somebody should look at {{ trigger.body.order }}"
  - id: label
    type: io.kestra.plugin.core.execution.Labels
    labels: {order: "{{ trigger.body.order }}"}
outputs:
  - {id: order, type: STRING, value: "{{ trigger.body.order }}"}
  - {id: risk, type: STRING, value: "{{ outputs.risk.value }}"}
triggers:
  - id: shop
    type: io.kestra.plugin.core.trigger.Webhook
    key: the-shop-knows-it
    methods: [POST]
    wait: true
    returnOutputs: true
""",
    "hand_over": """
id: hand_over
namespace: shop.orders
description: Hands an order to the warehouse, which is down now and then.
tasks:
  - id: send
    type: io.kestra.plugin.core.http.Request
    uri: http://127.0.0.1:9/orders
    method: POST
    contentType: application/json
    body: "{{ trigger.body | toJson }}"
    retry: {type: constant, interval: PT0.25S, maxAttempts: 3}
errors:
  - id: sorry
    type: io.kestra.plugin.core.log.Log
    level: ERROR
    message: "order {{ trigger.body.order }} waits for somebody"
triggers:
  - {id: warehouse, type: io.kestra.plugin.core.trigger.Webhook, key: to-the-warehouse}
""",
    "payment_event": """
id: payment_event
namespace: shop.billing
description: Keeps the state of every payment up to date with what Stripe says.
tasks:
  - id: what
    type: io.kestra.plugin.core.flow.Switch
    value: "{{ trigger.body.type }}"
    cases:
      payment_intent.succeeded:
        - {id: paid, type: io.kestra.plugin.core.log.Log, message: "{{ trigger.body.id }} is paid"}
    defaults:
      - {id: other, type: io.kestra.plugin.core.log.Log, message: "nothing to do for {{ trigger.body.type }}"}
triggers:
  - id: stripe
    type: io.kestra.plugin.core.trigger.Webhook
    key: stripe-calls-here
    signature: {preset: STRIPE, secret: "{{ secret('STRIPE') }}"}
    deduplication: {window: P7D}
""",
    "stock_sync": """
id: stock_sync
namespace: shop.orders
description: Reads the stock of every shelf; one that does not answer is no reason to stop.
tasks:
  - id: each_shelf
    type: io.kestra.plugin.core.flow.ForEach
    values: ["A", "B", "C", "D"]
    concurrencyLimit: 2
    tasks:
      - {id: read, type: io.kestra.plugin.core.flow.Sleep, duration: PT0.05S}
      - {id: count, type: io.kestra.plugin.core.debug.Return, format: "{{ taskrun.value }}-42"}
  - id: compare
    type: io.kestra.plugin.core.execution.Fail
    errorMessage: "shelf C counts 41, the books say 42"
    allowFailure: true
triggers:
  - {id: every_hour, type: io.kestra.plugin.core.trigger.Schedule, cron: "0 * * * *", disabled: true}
  - {id: now, type: io.kestra.plugin.core.trigger.Webhook, key: sync-the-stock}
""",
    "approval": """
id: approval
namespace: ops.deploy
description: A version goes out when somebody says yes.
labels: {team: platform}
inputs:
  - {id: service, type: STRING, displayName: Service, description: What is deployed., validator: "[a-z][a-z0-9-]*"}
  - {id: version, type: STRING, displayName: Version}
  - {id: environment, type: SELECT, values: [staging, production], defaults: production}
tasks:
  - id: ask
    type: io.kestra.plugin.core.flow.Pause
    description: May this version go out?
    pauseDuration: P2D
    behavior: FAIL
    onResume:
      - {id: approved, type: BOOLEAN}
      - {id: reason, type: STRING, required: false}
  - id: decide
    type: io.kestra.plugin.core.flow.If
    condition: "{{ outputs.ask.onResume.approved ?? false }}"
    then:
      - {id: out, type: io.kestra.plugin.core.log.Log, message: "{{ inputs.service }} {{ inputs.version }} goes out"}
    else:
      - {id: stop, type: io.kestra.plugin.core.execution.Exit, state: CANCELLED}
outputs:
  - {id: said, type: STRING, value: "{{ outputs.ask.onResume.reason ?? 'nothing' }}"}
triggers:
  - id: webhook
    type: io.kestra.plugin.core.trigger.Webhook
    key: may-it-go-out
    inputs:
      service: "{{ trigger.body.service }}"
      version: "{{ trigger.body.version }}"
""",
    "rollout": """
id: rollout
namespace: ops.deploy
description: Waits for the quiet hours, then rolls out.
concurrency: {limit: 1, behavior: QUEUE}
tasks:
  - {id: announce, type: io.kestra.plugin.core.log.Log, message: "rolling out {{ trigger.body.service ?? 'all' }}"}
  - {id: quiet_hours, type: io.kestra.plugin.core.flow.Sleep, duration: PT6H}
  - {id: roll, type: io.kestra.plugin.core.log.Log, message: done}
triggers:
  - {id: webhook, type: io.kestra.plugin.core.trigger.Webhook, key: roll-it-out}
""",
    "push": """
id: push
namespace: ops.deploy
description: Hears what is pushed to GitHub.
tasks:
  - {id: heard, type: io.kestra.plugin.core.debug.Return, format: "{{ trigger.body }}"}
triggers:
  - id: github
    type: io.kestra.plugin.core.trigger.Webhook
    key: pushed
    signature: {preset: GITHUB, secret: "{{ secret('GITHUB') }}"}
""",
}
PATHS: Final = {
    "new_order": "shop.orders/new_order/the-shop-knows-it",
    "hand_over": "shop.orders/hand_over/to-the-warehouse",
    "stock_sync": "shop.orders/stock_sync/sync-the-stock",
    "payment_event": "shop.billing/payment_event/stripe-calls-here",
    "approval": "ops.deploy/approval/may-it-go-out",
    "rollout": "ops.deploy/rollout/roll-it-out",
}


class Morning:
    """Makes it happen, minute by minute."""

    def __init__(self, site: Site, clock: Clock) -> None:
        self.site, self.clock = site, clock

    async def call(self, flow: str, body: Any, **headers: str) -> httpx.Response:
        """Deliver something."""
        sent = {"Content-Type": "application/json", **headers}
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.site.client.post(f"{HOOK}/{PATHS[flow]}", content=content, headers=sent)

    async def kill(self, execution: str, reason: str) -> None:
        """An operator ends it."""
        path = f"{API}/executions/{execution}/actions/kill"
        answer = await self.site.client.request(
            "DELETE", path, json={"reason": reason}, auth=auth("operator")
        )
        assert answer.status_code < 300, answer.text

    async def pay(self, number: int, *, secret: str = SECRETS["HOOKLEDGER_SECRET_STRIPE"]) -> None:
        """An event of Stripe, signed."""
        kind = "payment_intent.succeeded" if number % 3 else "customer.updated"
        body = json.dumps({"id": f"evt_{number}", "type": kind, "amount": 100 * number}).encode()
        seconds = str(self.clock.now() // 1_000_000)
        made = hmac.new(secret.encode(), seconds.encode() + b"." + body, hashlib.sha256).hexdigest()
        await self.call("payment_event", body, **{"Stripe-Signature": f"t={seconds},v1={made}"})

    async def order(self, number: int) -> None:
        """An order; now and then a large one, and a slow one."""
        total = 39 + 97 * (number % 9)
        pace = "PT0.4S" if number % 7 == 3 else "PT0.05S"
        await self.call("new_order", {"order": f"A-{1000 + number}", "total": total, "pace": pace})

    async def ended(self, state: str, count: int = 1) -> None:
        """Wait until so many executions have come to this state."""
        await self.site.until(lambda: sum(row.state == state for row in executions(self.site.data)) >= count)


async def _morning(morning: Morning, minutes: int) -> None:
    """What happens in which minute."""
    held = []
    for minute in range(minutes):
        await morning.order(minute)
        if minute % 4 == 1:
            await morning.pay(minute)
        if minute % 12 == 5:
            await morning.pay(minute - 4)  # Stripe delivers it again
        if minute == 3:
            await morning.pay(900, secret="whsec_" + "x" * 32)
        if minute % 9 == 4:
            await morning.call("stock_sync", {})
            await morning.ended("WARNING", minute // 9 + 1)
        if minute in (2, minutes * 2 // 3):
            await morning.call("hand_over", {"order": f"A-{1000 + minute}"})
            await morning.ended("FAILED", 1 if minute == 2 else 2)
        if minute in (5, 7):
            started = await morning.call("rollout", {"service": "shop"})
            held.append(started.json()["id"])
        if minute == 6:
            await morning.kill(held[0], "the quiet hours are over")
            await morning.ended("KILLED")
        morning.clock.move(seconds=60)
    for version in ("1.4.2", "2.0.0-rc1"):
        await morning.call("approval", {"service": "shop", "version": version})
    await morning.call("rollout", {"service": "search"})
    await morning.ended("PAUSED", 2)


async def _seed(directory: Path, minutes: int) -> None:
    clock = Clock()
    clock.move(seconds=-60 * minutes)
    ports = Ports(clock=clock, secrets=environment_secrets(SECRETS), cipher=Cipher("of the tests"))
    async with open_site(directory, FLOWS, ports=ports, auth__users=PEOPLE) as site:
        await _morning(Morning(site, clock), minutes)


def seed(directory: Path, minutes: int) -> None:
    """Write `flows/` and `data/` below a directory: so many minutes that end now."""
    trio.run(_seed, directory, minutes)


def found(data: Path, flow: str, state: str) -> str:
    """The page of the newest execution of a flow in a state."""
    row = next(row for row in executions(data) if (row.flow, row.state) == (flow, state))
    return f"/ui/main/executions/{row.namespace}/{row.flow}/{row.execution}"


def delivery_of(data: Path, trigger: str, kind: str) -> str:
    """The id of the newest delivery of a trigger that came to this."""
    reader = SqliteReader(partition_file(data))
    try:
        rows, _ = reader.deliveries(DeliveryQuery(trigger=trigger, kinds=(kind,), limit=1))
        return rows[0].delivery
    finally:
        reader.close()
