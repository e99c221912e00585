"""Properties beside the great steps: what callers learn of limits, keys in rotation, correlation, records."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import trio

from hookledger.journal.events import DeliveryRejected, DuplicateDelivery, HandshakeAnswered, TriggerReceived

from .house import USER, flow, open_house


async def test_limits_are_told(tmp_path: Path) -> None:
    """
    Every answer of a limited webhook says what is left, in the draft's two fields and the three older ones.
    """
    async with open_house(
        tmp_path, flow("rateLimit: {limit: 2, period: PT10S}"), flow("", name="g")
    ) as house:
        first = await house.send()
        assert first.status_code == 200
        assert first.headers["ratelimit-policy"] == '"webhook";q=2;w=10'
        assert re.fullmatch(r'"webhook";r=1;t=5', first.headers["ratelimit"])
        assert [first.headers[f"ratelimit-{name}"] for name in ("limit", "remaining", "reset")] == [
            "2",
            "1",
            "5",
        ]
        await house.send()
        refused = await house.send()
        assert (refused.status_code, refused.headers["ratelimit-remaining"]) == (429, "0")
        assert int(refused.headers["retry-after"]) <= int(refused.headers["ratelimit-reset"]) == 10
        house.clock.move(10)
        assert (await house.send()).headers["ratelimit-remaining"] == "1"
        assert not [name for name in (await house.send(flow="g")).headers if "ratelimit" in name]


async def test_limits_of_each_caller(tmp_path: Path) -> None:
    """
    `per` an expression: each value has its own bucket and sees its own rest; `burst` is what the headers call limit.
    """
    source = flow('rateLimit: {limit: 1, period: PT1M, burst: 3, per: "{{ trigger.body.tenant }}"}', name="f")
    async with open_house(tmp_path, source) as house:
        rest = [(await house.send(json={"tenant": one})).headers["ratelimit-remaining"] for one in "aaba"]
        assert rest == ["2", "1", "2", "0"]
        over = await house.send(json={"tenant": "a"})
        assert (over.status_code, over.headers["ratelimit-policy"]) == (429, '"webhook";q=3;w=180')
        assert (await house.send(json={})).status_code == 422


async def test_unauthenticated_callers_learn_nothing_of_limits(tmp_path: Path) -> None:
    """
    A refusal before the limit was asked has none of its headers and takes nothing from it.
    """
    source = flow("rateLimit: {limit: 1, period: PT1M}\nauthentication: [{type: BEARER, token: token-token}]")
    async with open_house(tmp_path, source) as house:
        refused = await house.send()
        assert refused.status_code == 401
        assert "ratelimit" not in refused.headers
        good = await house.send(headers={"Authorization": "Bearer token-token"})
        assert (good.status_code, good.headers["ratelimit-remaining"]) == (200, "0")


async def test_which_key_is_journaled(tmp_path: Path) -> None:
    """
    With `previousKeys` the event says which key a delivery used, by its place; the keys themselves are nowhere.
    """
    source = flow(
        "previousKeys:\n  - {key: older-url-key, expires: '2023-11-20T00:00:00+01:00'}\n"
        "  - {key: \"{{ secret('OLD') }}\", expires: '2023-11-15T00:00:00Z'}"
    )
    async with open_house(tmp_path, source, secrets={"OLD": "oldest-url-key"}) as house:
        for key in ("k", "older-url-key", "oldest-url-key"):
            assert (await house.send(key)).status_code == 200
        found = [event.verification["urlKeyIndex"] for event in house.events(TriggerReceived)]
        assert found == [0, 1, 2]
        house.clock.move(86_400)
        retired = await house.send("oldest-url-key")
        assert (retired.status_code, retired.json()["type"]) == (410, "urn:hookledger:problem:key-retired")
        assert (await house.send("older-url-key")).status_code == 200
        assert (await house.send("oldest-url-kez")).status_code == 404
        assert [event.status for event in await house.settled(2, DeliveryRejected)] == [410, 404]
        assert b"oldest-url-key" not in house.on_disk()


async def test_correlation(tmp_path: Path) -> None:
    """
    `correlation` becomes the label system.correlationId; empty it is the execution's id, and one that fails is 422.
    """
    sources = (
        flow("correlation: \"{{ trigger.headers['X-Correlation-Id'][0] ?? '' }}\""),
        flow('correlation: "{{ trigger.body.order }}"', name="g"),
    )
    async with open_house(tmp_path, *sources) as house:

        async def label(**more: Any) -> tuple[str, str]:
            made = (await house.send(**more)).json()
            labels = {one["key"]: one["value"] for one in made["labels"]}
            return labels["system.correlationId"], made["id"]

        assert (await label(headers={"X-Correlation-Id": "order-7"}))[0] == "order-7"
        found, execution = await label()
        assert found == execution
        assert len((await label(headers={"X-Correlation-Id": "x" * 1000}))[0]) == 256
        assert (await label(flow="g", json={"order": 12}))[0] == "12"
        assert (await house.send(flow="g", json={})).status_code == 422
        shown = await house.client.get(f"/api/v1/main/executions/{execution}", auth=USER)
        assert {"key": "system.correlationId", "value": execution} in shown.json()["labels"]


async def test_what_is_recorded(tmp_path: Path) -> None:
    """
    `record`: ALL keeps refusals, ACCEPTED does not, NONE keeps neither handshakes nor repetitions; executions always.
    """
    rules = "handshake: [DROPBOX]\ndeduplication: {}\nwhen: \"{{ (trigger.body ?? '') != 'no' }}\"\nrecord: "
    sources = [flow(rules + mode, name=mode.lower()) for mode in ("ALL", "ACCEPTED", "NONE")]
    async with open_house(tmp_path, *sources) as house:
        for name in ("none", "accepted", "all"):
            assert (await house.send(flow=name, method="DELETE")).status_code == 405
            assert (await house.send(flow=name, content=b"no")).status_code == 204
            assert (await house.send(flow=name, method="GET", tail="?challenge=c")).text == "c"
            for replayed in (None, "true"):
                answer = await house.send(flow=name, headers={"Idempotency-Key": "one"})
                assert answer.headers.get("idempotency-replayed") == replayed
        assert [event.flow for event in await house.settled(2, DeliveryRejected)] == ["all", "all"]
        assert [event.flow for event in house.events(HandshakeAnswered)] == ["accepted", "all"]
        assert len(await house.settled(2, DuplicateDelivery)) == 2
        assert len(house.executions()) == 3


async def test_refusals_name_their_delivery(tmp_path: Path) -> None:
    """
    A refusal's `instance` is the delivery under which its reason is recorded; what it says is the kind and no more.
    """
    inputs = "inputs:\n  - {id: n, type: INT}\n"
    given = "inputs: {n: '{{ trigger.body.n }}'}"
    known = f"{given}\nauthentication: [{{type: BEARER, token: token-token}}]"
    sources = (
        flow('when: "{{ trigger.body.a == 1 }}"'),
        flow(given, name="g", more=inputs),
        flow(known, name="h", more=inputs),
    )
    async with open_house(tmp_path, *sources) as house:
        condition = await house.send(json={})
        stranger = await house.send(flow="g", json={"n": "x"})
        friend = await house.send(flow="h", json={"n": "x"}, headers={"Authorization": "Bearer token-token"})
        codes = [answer.json()["code"] for answer in (condition, stranger, friend)]
        assert codes == ["condition-error", "delivery-refused", "delivery-refused"]
        for answer in (condition, stranger, friend):
            delivery = answer.headers["x-delivery-id"]
            assert answer.json()["instance"] == f"urn:hookledger:delivery:{delivery}"
        assert "whole number" not in stranger.json()["detail"]
        assert "whole number" in friend.json()["detail"]
        reasons = [event.reason for event in await house.settled(3, DeliveryRejected)]
        assert ["whole number" in reason for reason in reasons] == [False, True, True]
        missing = (await house.send("wrong")).json()
        assert (missing["code"], "instance" in missing) == ("not-found", False)


async def test_pending_requests_are_bounded(tmp_path: Path) -> None:
    """
    More requests under way than `maxPending`: 503 with Retry-After, beside or in `rateLimit`.
    """
    pause = "  - {id: wait, type: io.kestra.plugin.core.flow.Pause}"
    sources = (
        flow("maxPending: 1\nwait: true", tasks=pause),
        flow("rateLimit: {limit: 100, maxPending: 1}\nwait: true", tasks=pause, name="g"),
    )
    async with open_house(tmp_path, *sources) as house:
        for name in ("f", "g"):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(partial(house.send, flow=name))
                await house.settled(1 if name == "f" else 2, TriggerReceived)
                refused = await house.send(flow=name)
                assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
                nursery.cancel_scope.cancel()


async def test_traces_are_returned(tmp_path: Path) -> None:
    """
    A valid `traceparent` stands in the answer too; an invalid one does not.
    """
    valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with open_house(tmp_path, flow("")) as house:
        assert (await house.send(headers={"traceparent": valid})).headers["traceparent"] == valid
        assert "traceparent" not in (await house.send(headers={"traceparent": "00-0-0-0"})).headers


async def test_a_key_made_of_redacted_data_is_not_written_down(tmp_path: Path) -> None:
    """
    With `redact` a deduplication key of the author's own is kept as its digest, and tells deliveries apart as before.
    """
    source = flow('deduplication: {key: "{{ trigger.body.card }}"}\nredact: {pointers: [/card]}')
    async with open_house(tmp_path, source) as house:
        ids = [
            (await house.send(json={"card": card})).json()["id"]
            for card in ("4111-1111", "5500", "4111-1111")
        ]
        assert ids[0] == ids[2] != ids[1]
        assert b"4111-1111" not in house.on_disk()


async def test_progress_is_taken_up_again(tmp_path: Path) -> None:
    """
    A caller that comes back with Last-Event-ID gets what follows; one that missed only the end gets the end.
    """
    source = flow(
        "wait: true\nreturnOutputs: true\ndeduplication: {}\nresponse: {contentType: text/event-stream}",
        more="outputs:\n  - {id: v, type: STRING, value: x}\n",
    )
    async with open_house(tmp_path, source) as house:

        async def names(last: str) -> list[str]:
            headers = {"Idempotency-Key": "one", **({"Last-Event-ID": last} if last else {})}
            text = (await house.send(headers=headers)).text
            return [line[7:] for line in text.splitlines() if line.startswith("event: ")]

        whole = ["TriggerReceived", "TaskStarted", "TaskReturned", "OutputsResolved", "end"]
        assert await names("") == whole
        assert await names("") == whole
        await house.settled(1, DuplicateDelivery)
        assert await names("1") == whole[2:]
        with trio.fail_after(30):
            assert await names("3") == ["end"]
            assert await names("99") == ["end"]


async def test_form_fields_are_redacted(tmp_path: Path) -> None:
    """
    `redact.parameters` also names text fields of a form.
    """
    async with open_house(tmp_path, flow("redact: {parameters: [pin]}")) as house:
        made = await house.send(files={"pin": (None, b"4711-0815"), "a": (None, b"b")})
        fields = made.json()["trigger"]["variables"]["formFields"]
        assert fields == {"pin": ["[redacted]"], "a": ["b"]}
        assert b"4711-0815" not in house.on_disk()


async def test_charset(tmp_path: Path) -> None:
    """
    `charset` reads text whose sender names none; what the sender says goes first, and the bytes stay as they were.
    """
    async with open_house(tmp_path, flow("charset: ISO-8859-1")) as house:
        latin = "caffè {}".encode("latin-1")
        for headers, body, text in (
            ({"Content-Type": "text/plain"}, latin, "caffè {}"),
            ({}, latin, "caffè {}"),
            ({"Content-Type": "text/plain; charset=utf-8"}, "caffè".encode(), "caffè"),
            ({"Content-Type": "application/json"}, '{"a":"è"}'.encode("latin-1"), {"a": "è"}),
        ):
            made = await house.send(content=body, headers=headers)
            assert made.json()["trigger"]["variables"]["body"] == text
            assert house.events(TriggerReceived)[-1].body == body


async def test_a_delivery_with_a_charset_is_the_same_when_sent_again(tmp_path: Path) -> None:
    """
    The charset is part of the recorded delivery: a later revision without it replays the same text.
    """
    async with open_house(tmp_path, flow("charset: ISO-8859-1")) as house:
        made = await house.send(content="è".encode("latin-1"))
        delivery = made.headers["x-delivery-id"]
        again = await house.client.post(f"/api/v1/main/deliveries/{delivery}/replay", auth=USER)
        first, second = house.events(TriggerReceived)
        assert again.status_code == 200
        assert (first.charset, second.charset) == ("ISO-8859-1", "ISO-8859-1")


async def test_a_mistake_in_rendered_data_refuses_the_delivery(tmp_path: Path) -> None:
    """
    A text of the sender's with a syntax mistake, rendered by a rule of the trigger: 422, recorded with the reason.
    """
    rule, inputs = "{{ render(trigger.body.name) }}", "inputs:\n  - {id: x, type: STRING}\n"
    given = (
        "inputs:\n  - {id: y, type: STRING}\n  - {id: x, type: STRING, defaults: '{{ render(inputs.y) }}'}\n"
    )
    rules = {
        "when": (f'when: "{rule}"', ""),
        "inputs": (f'inputs: {{x: "{rule}"}}', inputs),
        "labels": (f'labels: {{x: "{rule}"}}', ""),
        "correlation": (f'correlation: "{rule}"', ""),
        "defaults": ('inputs: {y: "{{ trigger.body.name }}"}', given),
        "key": (f'deduplication: {{key: "{rule}"}}', ""),
        "rate": (f'rateLimit: {{limit: 1, period: PT1M, per: "{rule}"}}', ""),
    }
    sources = (flow(text, name=name, more=more) for name, (text, more) in rules.items())
    async with open_house(tmp_path, *sources) as house:
        for number, name in enumerate(rules, 1):
            assert (await house.send(flow=name, json={"name": "{{ oops() }}"})).status_code == 422, name
            assert "E001" in (await house.settled(number, DeliveryRejected))[-1].reason, name
