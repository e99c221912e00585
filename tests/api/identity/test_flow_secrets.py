"""Secrets that authors write into flows: who may start executions sees them, nobody else does."""

import json
import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
import yaml

from hookledger.actors import Ports
from hookledger.api.routes import PREFIXES
from hookledger.api.secrecy import WITHHELD, blotted_source
from hookledger.runtime.flow.source import load
from hookledger.runtime.secret_inputs import Cipher
from tests.api.browser import browser
from tests.api.site import Site, open_site

from .people import API, PEOPLE, auth
from .test_roles import PAGES, TABLE

SECRETS: Final = (
    "literal-key", "older-key", "sender-secret", "second-secret", "basic-password", "header-value", "verify-me",
    "token-of-task", "hunter2hunter2", "default-secret", "key-by-variable", "nested-literal", "api-key-1234",
)  # fmt: skip
SOURCE: Final = """
# the key is literal-key, mind it
id: open
namespace: io.tests
description: curl .../literal-key
labels: {note: "ask"}
variables:
  hook: key-by-variable
  nested: {password: hunter2hunter2}
  plain: shown
inputs:
  - {id: pin, type: SECRET, defaults: default-secret}
tasks:
  - id: call
    type: io.kestra.plugin.core.http.Request
    uri: http://127.0.0.1:9/
    headers: {Authorization: "Bearer token-of-task", X-Api-Key: &again api-key-1234}
  - {id: out, type: io.kestra.plugin.core.debug.Return, format: *again}
triggers:
  - id: one
    type: io.kestra.plugin.core.trigger.Webhook
    key: literal-key
    previousKeys: [{key: older-key, expires: 2099-01-01T00:00:00Z}]
    signature: {header: X-S, secrets: [sender-secret, "{{ secret('KEPT') }}", 'second-secret']}
    authentication:
      - {type: BASIC, username: u, password: basic-password}
      - {type: HEADER, name: X-K, value: header-value}
    handshake: [{type: META, verifyToken: verify-me}]
    deduplication: {key: "{{ trigger.body.id }}"}
  - id: two
    type: io.kestra.plugin.core.trigger.Webhook
    key: >-
      {{ vars.hook }}
  - id: three
    type: io.kestra.plugin.core.trigger.Webhook
    key: "{{ 'nested-literal' }}"
  - id: four
    type: io.kestra.plugin.core.trigger.Webhook
    key: "{{ secret('HOOK_KEY') }}"
"""
KEPT: Final = ("secret('KEPT')", "secret('HOOK_KEY')", "trigger.body.id", "plain: shown", "{{ vars.hook }}")


async def seen(client: Any, path: str, **more: Any) -> str:
    """An answer, head and body."""
    answer: httpx.Response = await client.get(path, **more)
    return "\n".join([*map(": ".join, answer.headers.items()), answer.text])


def paths(site: Site, execution: str, delivery: str) -> list[str]:
    """Every route and page for reading, about the flow and an execution of it."""
    known = {
        "namespace": "io.tests", "flow": "open", "flow_id": "open", "execution": execution, "execution_id": execution,
        "delivery": delivery, "delivery_id": delivery, "trigger": "one", "number": "1",
    }  # fmt: skip
    every = [(PREFIXES[0], route) for route in TABLE] + [("/ui/main", route) for route in PAGES]
    made = [
        prefix + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: quote(known.get(found[1], "x")), route.path)
        for prefix, route in every
        if route.method == "GET" and "follow" not in route.path and route.path != "/live"
    ]
    flow, page = f"{API}/flows/io.tests/open", "/ui/main/flows/io.tests/open"
    return [*made, f"{flow}?source=true", f"{flow}?source=true&revision=1", f"{flow}/revisions?allowDelete=true",
            f"{page}/revisions?from=1&to=2", f"{page}/revisions?from=1&to=2&view=side"]  # fmt: skip


async def two_revisions(site: Site) -> tuple[str, str]:
    """Change the flow once and start it; ids of an execution and a delivery."""
    changed = SOURCE.replace("plain: shown", "plain: shown  # still literal-key")
    sent: Any = {"content": changed, "headers": {"Content-Type": "application/x-yaml"}, "auth": auth("admin")}
    assert (await site.client.put(f"{API}/flows/io.tests/open", **sent)).status_code == 200
    started = await site.call("open", "key-by-variable", "POST")
    assert started.status_code == 200, started.text
    return str(started.json()["id"]), started.headers["x-delivery-id"]


async def test_who_may_start_nothing_reads_no_key(tmp_path: Path) -> None:
    """
    Literal keys and other literal secrets of a flow, in whatever spelling and place, are in no answer of the API and on
    no page of the console for viewers and auditors; references to secrets of the server are. Operators and admins
    see the source as it is.
    """
    secrets = {"HOOK_KEY": "key-of-the-server", "KEPT": "kept"}
    ports = Ports(secrets=secrets.get, cipher=Cipher("of the tests"))
    async with open_site(tmp_path, {"open": SOURCE}, ports=ports, auth__users=PEOPLE) as site:
        execution, delivery = await two_revisions(site)
        looked = paths(site, execution, delivery)
        for role in ("viewer", "auditor"):
            async with browser(site) as person:
                await person.log_in(*auth(role))
                for path in looked:
                    text = await seen(person.client, path)
                    found = [secret for secret in (*SECRETS, "key-of-the-server") if secret in text]
                    if "/executions/" not in path and "/outputs/" not in path and "/logs/" not in path:
                        assert found == [], (role, path)
                    assert "literal-key" not in text, (role, path)
                source = (await person.get(f"{API}/flows/io.tests/open?source=true")).json()
                assert all(kept in source["source"] for kept in KEPT), source["source"]
                assert source["triggers"][0]["key"] == "[redacted]"
                assert source["variables"]["plain"] == "shown"
                assert "••••" in (await person.get("/ui/main/flows/io.tests/open")).text
        for role in ("operator", "admin"):
            whole = await site.client.get(f"{API}/flows/io.tests/open?source=true", auth=auth(role))
            assert all(secret in whole.json()["source"] for secret in SECRETS), role
            assert whole.json()["triggers"][0]["key"] == "literal-key"


async def test_an_operator_sees_no_secret_of_the_server(tmp_path: Path) -> None:
    """
    A key, a password or a token that the server's `secret()` gives stands on no page for operators, in no curl line
    either; an admin sees it. A literal key and a live HMAC are for both.
    """
    given = {"HOOK_KEY": "key-of-the-server", "PASS": "password-of-the-server", "SIGN": "signs-only"}
    webhook = "io.kestra.plugin.core.trigger.Webhook"
    triggers: list[dict[str, Any]] = [
        {"id": "key", "type": webhook, "key": "{{ secret('HOOK_KEY') }}"},
        {"id": "spaced", "type": webhook, "key": "x-{{ secret ( 'HOOK_KEY' ) | upper }}"},
        {"id": "basic", "type": webhook, "key": "shown-1", "authentication": [
            {"type": "BASIC", "username": "u", "password": "{{ secret('PASS') }}"}]},
        {"id": "header", "type": webhook, "key": "shown-2", "authentication": [
            {"type": "HEADER", "name": "X-K", "value": "{{ secret('PASS') }}"}]},
        {"id": "plain", "type": webhook, "key": "shown-3", "signature": {
            "preset": "GITLAB_TOKEN", "secret": "{{ secret('PASS') }}"}},
        {"id": "signed", "type": webhook, "key": "shown-4", "signature": {
            "preset": "GITHUB", "secret": "{{ secret('SIGN') }}"}},
    ]  # fmt: skip
    task = {"id": "out", "type": "io.kestra.plugin.core.debug.Return", "format": "x"}
    source = yaml.safe_dump({"id": "f", "namespace": "io.tests", "tasks": [task], "triggers": triggers})
    async with open_site(tmp_path, {"f": source}, ports=Ports(secrets=given.get), auth__users=PEOPLE) as site:
        page = "/ui/main/flows/io.tests/f"
        for role in ("operator", "admin"):
            async with browser(site) as person:
                await person.log_in(*auth(role))
                texts = [(await person.get(f"{page}/{tab}")).text for tab in ("triggers", "execute")]
                for one in triggers:
                    form = {"csrf": await person.csrf(f"{page}/execute"), "trigger": one["id"], "method": "POST",
                            "content_type": "application/json", "query": "", "payload": "{}"}  # fmt: skip
                    answer = await person.post(f"{page}/curl", form, headers={"Accept": "application/json"})
                    texts.append(answer.text)
                    told = bool(answer.json()["line"])
                    assert told is (role == "admin" or one["id"] == "signed"), (role, one["id"])
                whole = "\n".join(texts)
                for secret in ("key-of-the-server", "KEY-OF-THE-SERVER", "password-of-the-server"):
                    assert (secret in whole) is (role == "admin"), (role, secret)
                assert "signs-only" not in whole
                assert all(f"shown-{number}" in whole for number in (1, 2, 3, 4)), role


@pytest.mark.parametrize(
    "written",
    [
        "key: SECRETKEY", "key: 'SECRETKEY'", 'key: "SECRETKEY"', 'key: "SECRET\\u004bEY"', "key: |\n      SECRETKEY",
        "key: >-\n      SECRETKEY", "key: &k SECRETKEY\n    description: *k", '"key": SECRETKEY',
        "? key\n    : SECRETKEY",
        "key:   SECRETKEY   # comment SECRETKEY", "key: pre-{{ secret('X') }}-SECRETKEY", "<<: {key: SECRETKEY}",
        "key: \"{{ 'SECRETKEY' }}\"", 'key: "{{ \\"SECRETKEY\\" | trim }}"', "key: SECRETKEY\n    disabled: true",
    ],
)  # fmt: skip
def test_every_spelling_of_a_key_is_blotted_out(written: str) -> None:
    """
    However YAML lets an author write it, the key is gone, and the rest of the source reads as before.
    """
    source = f"id: f\nnamespace: n\ntriggers:\n  - id: w\n    {written}\n    type: Webhook\n"
    blotted = blotted_source(source)
    assert "SECRETKEY" not in blotted
    assert "SECRET\\u004bEY" not in blotted
    data: Any = load(blotted).data
    assert data["triggers"][0]["key"] == "[redacted]"
    assert (data["id"], data["triggers"][0]["type"]) == ("f", "Webhook")


def test_what_is_no_yaml_any_more_is_withheld() -> None:
    """
    A source that cannot be read any more is not shown in part: nobody knows where its secrets stand.
    """
    assert blotted_source("key: [literal-key") == WITHHELD
    assert blotted_source(json.dumps({"triggers": [{"key": "k", "id": "k"}], "id": "k"})) == json.dumps(
        {"triggers": [{"key": "[redacted]", "id": "k"}], "id": "k"}
    )
