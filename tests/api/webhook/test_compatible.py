"""What flows written for Kestra and their senders rely on, where no other module has it."""

import hashlib
from pathlib import Path
from typing import Any

from hookledger.actors import Engine
from hookledger.journal.events import DeliveryRejected, FlowRegistered

from .house import HOOK, House, flow, open_house

GONE = flow("", name="gone").replace("io.kestra.plugin.core.debug.Return", "com.example.Uninstalled")
OUTPUTS = "outputs:\n  - {id: a, type: STRING, value: x}\n"


async def registered(directory: Path, source: str, name: str) -> None:
    """A flow in the journal as an installation with more task types has written it."""
    async with Engine.open(directory / "data") as engine:

        def make(sequence: int, at: int) -> FlowRegistered:
            digest = hashlib.sha256(source.encode()).hexdigest()
            return FlowRegistered(
                sequence=sequence, at=at, namespace="t", flow=name, revision=1, sha256=digest, source=source
            )

        await engine.journal.append_system(make).durable()


async def test_a_flow_that_no_longer_parses(tmp_path: Path) -> None:
    """
    With the right key it is 409 and the reason is recorded; without it, the one uniform 404.
    """
    source = GONE.replace("key: k", "key: \"{{ secret('K') }}-{{ flow.id }}\"")
    await registered(tmp_path, source, "gone")
    async with open_house(tmp_path, flow(""), secrets={"K": "left-over"}) as house:
        broken = await house.send("left-over-gone", flow="gone")
        assert (broken.status_code, broken.json()["type"]) == (409, "urn:hookledger:problem:flow-unusable")
        assert "Uninstalled" not in broken.text
        wrong, unknown = await house.send("k", flow="gone"), await house.send("k", flow="nothing")
        assert (wrong.status_code, wrong.content) == (404, unknown.content)
        events = await house.settled(3, DeliveryRejected)
        assert [event.status for event in events] == [409, 404, 404]
        assert "com.example.Uninstalled" in events[0].reason
        assert (await house.send()).status_code == 200


async def variables(house: House, **more: Any) -> Any:
    """What the flow sees."""
    return (await house.send(**more)).json()["trigger"]["variables"]


async def test_bodies_whose_meaning_is_a_trap(tmp_path: Path) -> None:
    """
    Scalars stay their text, nulls stay, nothing behind the first value is lost; a GET may have a body.
    """
    async with open_house(tmp_path, flow("")) as house:
        for body, seen in (
            (b"42", "42"),
            (b"true", "true"),
            (b'"x"', '"x"'),
            (b"null", "null"),
            (b'{"a":1} trailing', '{"a":1} trailing'),
            (b'{"a":1}\n{"a":2}\n', '{"a":1}\n{"a":2}\n'),
            (b'{"a":null,"b":{"c":null}}', {"a": None, "b": {"c": None}}),
            (b'{"a":1,"a":2}', {"a": 2}),
            (b'{\\"a\\":1}', '{\\"a\\":1}'),
            (b"a=1&b=2", "a=1&b=2"),
        ):
            assert (await variables(house, content=body))["body"] == seen
            assert (await variables(house, content=body, method="GET"))["body"] == seen
        assert "body" not in await variables(house, method="GET")


async def test_reach(tmp_path: Path) -> None:
    """
    One slash more is dropped, names are case sensitive and may be percent-encoded, `main` may be left out.
    """
    async with open_house(tmp_path, flow("").replace("key: k", "key: '  k  '")) as house:
        for path, status in (
            (f"{HOOK}/t/f/k", 200),
            (f"{HOOK}/t/f/k/", 200),
            (f"{HOOK}/t/f/k//", 404),
            (f"{HOOK}/t/f/k/extra/path", 404),
            (f"{HOOK}/T/f/k", 404),
            (f"{HOOK}/t/F/k", 404),
            (f"{HOOK}/t/f/K", 404),
            (f"{HOOK}/%74/%66/%6B", 200),
            ("/api/v1/executions/webhook/t/f/k", 200),
        ):
            assert (await house.client.post(path)).status_code == status, path


async def test_a_response_code_that_is_none(tmp_path: Path) -> None:
    """
    A rendered `responseCode` outside of 200 to 599 is 500; the rest of the answer stays as it is.
    """
    source = flow('wait: true\nreturnOutputs: true\nresponseCode: "{{ outputs.out.value }}"', more=OUTPUTS)
    async with open_house(tmp_path, source) as house:
        for given, status in ((b"202", 202), (b"522", 522), (b"700", 500), (b"abc", 500), (b"100", 500)):
            answer = await house.send(content=given)
            assert (answer.status_code, answer.json()) == (status, {"a": "x"})


async def test_a_test_event_is_labelled(tmp_path: Path) -> None:
    """
    `X-Kestra-Test-Event: true` makes `system.from` testEvent.
    """
    async with open_house(tmp_path, flow("")) as house:
        for headers, label in (({"X-Kestra-Test-Event": "true"}, "testEvent"), ({}, "trigger")):
            made = (await house.send(headers=headers)).json()
            assert {"key": "system.from", "value": label} in made["labels"]
