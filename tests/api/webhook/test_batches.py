"""`batch`: a delivery with several items becomes several executions, or one that sees them all."""

import hashlib
import json
from pathlib import Path
from typing import Any

import trio

from hookledger.journal.entry import SYSTEM
from hookledger.journal.events import DeliveryRejected, DuplicateDelivery, TriggerReceived
from hookledger.journal.sqlite import SqliteReader, partition_file
from hookledger.journal.verify import SqliteSource, verify

from .house import HOOK, USER, House, flow, open_house

ENTRY = 'batch: {items: "{{ trigger.body.entry }}", mode: EACH}'
DOCS = Path(__file__).parents[3] / "docs" / "webhooks"
PAUSE = "  - {id: wait, type: io.kestra.plugin.core.flow.Pause}"
CE_BATCH = {"Content-Type": "application/cloudevents-batch+json"}


def entries(*ids: Any, **more: Any) -> dict[str, Any]:
    """A delivery as Meta makes it."""
    return {"object": "page", "entry": [{"id": one, **more} for one in ids]}


def events(*ids: str) -> bytes:
    """A CloudEvents batch."""
    return json.dumps(
        [{"specversion": "1.0", "id": one, "source": "/s", "type": "t", "data": {"n": one}} for one in ids]
    ).encode()


def first_events(house: House) -> list[TriggerReceived]:
    """What started, in the order of the journal."""
    return house.events(TriggerReceived)


async def test_one_execution_for_each_item(tmp_path: Path) -> None:
    """
    Each item is the body of its own execution; the answer lists them in order, each with a receipt of its entry.
    """
    source = flow(ENTRY)
    async with open_house(tmp_path, source) as house:
        body = json.dumps(entries(1, 2, 3)).encode()
        answer = await house.send(content=body)
        assert answer.status_code == 200, answer.text
        made = answer.json()
        seen = [one["trigger"]["variables"] for one in made]
        assert [one["item"] for one in seen] == [{"id": 1}, {"id": 2}, {"id": 3}]
        assert [one["body"] for one in seen] == [{"id": 1}, {"id": 2}, {"id": 3}]
        assert [one["batch"] for one in seen] == [{"index": n, "size": 3} for n in range(3)]
        assert {one["bodyDigest"] for one in seen} == {hashlib.sha256(body).hexdigest()}
        assert sorted(one["id"] for one in made) == house.executions()
        assert all(f"execution={one['id']}; entry=0; leaf=" in one["receipt"] for one in made)
        ids = [event.delivery for event in first_events(house)]
        base = answer.headers["x-delivery-id"]
        assert ids == [base, f"{base}.1", f"{base}.2"]
        shown = await house.client.get(f"/api/v1/main/deliveries/{base}.2", auth=USER)
        assert shown.json()["variables"]["item"] == {"id": 3}


async def test_all_in_one_commit(tmp_path: Path) -> None:
    """
    The first entries of a batch stand side by side in the journal with one time to become durable.
    """
    async with open_house(tmp_path, flow(ENTRY, tasks=PAUSE)) as house:
        await house.send(json=entries(*range(50)))
        reader = SqliteReader(partition_file(house.data))
        try:
            places = [
                entry.header.pos
                for entry in reader.scan()
                if entry.header.exec != SYSTEM and entry.header.types[0] == "TriggerReceived"
            ]
        finally:
            reader.close()
        assert len(places) == 50
        assert places == list(range(places[0], places[0] + 50))


async def test_all_or_none(tmp_path: Path) -> None:
    """
    One item whose rule cannot be evaluated, or whose inputs do not fit, stops the whole delivery: nothing starts.
    """
    rule = flow(f'{ENTRY}\nwhen: "{{{{ trigger.item.id > 0 }}}}"')
    typed = flow(
        f'{ENTRY}\ninputs: {{n: "{{{{ trigger.item.id }}}}"}}',
        name="g",
        more="inputs:\n  - {id: n, type: INT}\n",
    )
    async with open_house(tmp_path, rule, typed) as house:
        broken = entries(1, 2)
        del broken["entry"][1]["id"]
        assert (await house.send(json=broken)).status_code == 422
        assert (await house.send(flow="g", json=entries(1, "two"))).status_code == 422
        assert house.executions() == []
        assert [
            "item 1 of the batch" in event.reason for event in await house.settled(2, DeliveryRejected)
        ] == [
            True,
            True,
        ]
        assert len((await house.send(flow="g", json=entries(1, 2))).json()) == 2


async def test_conditions_choose_items(tmp_path: Path) -> None:
    """
    An item that does not meet `when` starts nothing and is recorded; where none does the answer is 204 or `onMismatch`.
    """
    when = 'when: "{{ trigger.item.id > 1 }}"'
    sources = (
        flow(f"{ENTRY}\n{when}"),
        flow(f"{ENTRY}\n{when}\nonMismatch: {{code: 202, body: no}}", name="g"),
    )
    async with open_house(tmp_path, *sources) as house:
        made = (await house.send(json=entries(1, 2, 3))).json()
        assert [one["trigger"]["variables"]["item"]["id"] for one in made] == [2, 3]
        (rejected,) = await house.settled(1, DeliveryRejected)
        assert (rejected.status, "is not met" in rejected.reason) == (204, True)
        assert (await house.send(json=entries(0, 1))).status_code == 204
        assert (await house.send(json={"entry": []})).status_code == 204
        other = await house.send(flow="g", json=entries(0))
        assert (other.status_code, other.text) == (202, "no")
        assert len(house.executions()) == 2


async def test_what_is_no_batch(tmp_path: Path) -> None:
    """
    Items that are missing, no list, or too many are 400 with nothing started; one object is a batch of one.
    """
    async with open_house(tmp_path, flow(ENTRY)) as house:
        for body in ({}, {"entry": "text"}, {"entry": 5}, {"entry": [0] * 1001}):
            refused = await house.send(json=body)
            assert refused.status_code == 400
            assert refused.json()["type"].endswith("batch-invalid")
        assert (await house.send(content=b"\xff\xfe")).status_code == 400
        assert (await house.send(method="GET")).status_code == 400
        assert house.executions() == []
        one = (await house.send(json={"entry": {"id": 7}})).json()
        assert [execution["trigger"]["variables"]["item"] for execution in one] == [{"id": 7}]
        assert len((await house.send(json={"entry": [0] * 1000})).json()) == 1000


async def test_nesting_is_no_way_in(tmp_path: Path) -> None:
    """
    Arrays nested as deeply as one likes are started, taken as text or refused; the server stays as it was.
    """
    async with open_house(tmp_path, flow("batch: {}"), flow(ENTRY, name="g")) as house:
        for depth in (100, 500, 900, 990, 10_000, 100_000):
            body = "[" * depth + "]" * depth
            assert (await house.send(content=body)).status_code in (200, 400)
            nested = f'{{"entry":{body}}}'
            assert (await house.send(flow="g", content=nested)).status_code in (200, 400)
        assert (await house.send(json=[1])).status_code == 200


async def test_items_of_every_kind(tmp_path: Path) -> None:
    """
    Without `items` the elements of a JSON array are taken, whatever they are; any other body is one delivery.
    """
    async with open_house(tmp_path, flow("batch: {}")) as house:
        items = [None, True, 1.5, "text", '{"a":1}', [1], {"a": None}]
        made = (await house.send(json=items)).json()
        assert [one["trigger"]["variables"]["item"] for one in made[:3]] == [None, True, 1.5]
        assert [one["trigger"]["variables"]["item"] for one in made[3:]] == items[3:]
        single = (await house.send(json={"a": 1})).json()
        assert single["trigger"]["variables"]["body"] == {"a": 1}
        assert "item" not in single["trigger"]["variables"]


async def test_a_key_for_each_item(tmp_path: Path) -> None:
    """
    Deduplication is per item: a batch that overlaps an earlier one starts only what is new and lists all of it.
    """
    source = flow(f'{ENTRY}\ndeduplication: {{key: "{{{{ trigger.item.id }}}}"}}')
    async with open_house(tmp_path, source) as house:
        first = await house.send(json=entries("a", "b"))
        overlap = await house.send(json=entries("b", "c", "a", "c"))
        known = {one["trigger"]["variables"]["item"]["id"]: one for one in [*first.json(), *overlap.json()]}
        assert [one["id"] for one in overlap.json()] == [known[name]["id"] for name in ("b", "c", "a", "c")]
        assert "idempotency-replayed" not in overlap.headers
        again = await house.send(json=entries("a", "b"))
        assert again.content == first.content
        assert again.headers["idempotency-replayed"] == "true"
        assert len(house.executions()) == 3
        assert len(await house.settled(4, DuplicateDelivery)) == 4
        changed = await house.send(json=entries("d", "a", extra=1))
        assert changed.status_code == 422
        assert len(house.executions()) == 3
        assert (await house.send(json=entries("d", extra=1))).status_code == 200
    assert verify(SqliteSource(partition_file(house.data))).violations == []


async def test_the_senders_key_names_every_item(tmp_path: Path) -> None:
    """
    An Idempotency-Key stands for the whole batch: the same delivery again starts nothing, the order of items counts.
    """
    async with open_house(tmp_path, flow(f"{ENTRY}\ndeduplication: {{}}")) as house:
        headers = {"Idempotency-Key": "one"}
        first = await house.send(json=entries(1, 2), headers=headers)
        again = await house.send(json=entries(1, 2), headers=headers)
        assert again.content == first.content
        assert [event.deduplication for event in first_events(house)] == ["one#0", "one#1"]
        assert (await house.send(json=entries(2, 1), headers=headers)).status_code == 422


async def test_batches_that_cross_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """
    Many batches with common items in different orders at once: each item has one execution, and nobody hangs.
    """
    source = flow(f'{ENTRY}\ndeduplication: {{key: "{{{{ trigger.item.id }}}}"}}')
    names = [f"n{number}" for number in range(8)]
    answers: list[Any] = []
    async with open_house(tmp_path, source) as house:

        async def send(order: list[str]) -> None:
            answers.append(await house.send(json=entries(*order)))

        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                for turn in range(20):
                    order = names[turn % 8 :] + names[: turn % 8]
                    nursery.start_soon(send, order if turn % 2 else order[::-1])
        assert {answer.status_code for answer in answers} == {200}
        assert len(house.executions()) == len(names)
        told = {
            (one["trigger"]["variables"]["item"]["id"], one["id"])
            for answer in answers
            for one in answer.json()
        }
        assert len(told) == len(names)


async def test_duplicates_ignored_and_rejected(tmp_path: Path) -> None:
    """
    IGNORE lists the ids alone; REJECT refuses a batch while one of its items is still being worked on.
    """
    key = 'key: "{{ trigger.item.id }}"'
    sources = (
        flow(f"{ENTRY}\ndeduplication: {{{key}, onDuplicate: IGNORE}}"),
        flow(f"{ENTRY}\ndeduplication: {{{key}, onDuplicate: REJECT}}", name="g", tasks=PAUSE),
    )
    async with open_house(tmp_path, *sources) as house:
        first = (await house.send(json=entries(1))).json()
        again = (await house.send(json=entries(1, 2))).json()
        assert again[0] == {"id": first[0]["id"]}
        assert again[1]["trigger"]["variables"]["item"] == {"id": 2}
        assert (await house.send(flow="g", json=entries(1))).status_code == 200
        refused = await house.send(flow="g", json=entries(2, 1))
        assert (refused.status_code, refused.headers["retry-after"]) == (409, "1")
        assert len((await house.send(flow="g", json=entries(2))).json()) == 1
        assert len(house.executions()) == 4


async def test_cloudevents_batches(tmp_path: Path) -> None:
    """
    Row 31: a CloudEvents batch of 2 is two executions with `trigger.event` each, and each event has its own key.
    """
    plain = flow("cloudEvents: REQUIRED\ndeduplication: {}")
    named = flow('cloudEvents: AUTO\nbatch: {items: "{{ trigger.body }}", mode: EACH}', name="g")
    waits = flow("cloudEvents: AUTO\nwait: true", name="h")
    async with open_house(tmp_path, plain, named, waits) as house:
        made = (await house.send(content=events("e1", "e2"), headers=CE_BATCH)).json()
        assert [one["trigger"]["variables"]["event"]["id"] for one in made] == ["e1", "e2"]
        assert "events" not in made[0]["trigger"]["variables"]
        assert [event.deduplication for event in first_events(house)] == ["/s\ne1", "/s\ne2"]
        more = (await house.send(content=events("e2", "e3"), headers=CE_BATCH)).json()
        assert more[0]["id"] == made[1]["id"]
        assert len(house.executions()) == 3
        also = (await house.send(flow="g", content=events("e1", "e2"), headers=CE_BATCH)).json()
        assert [one["trigger"]["variables"]["event"]["data"] for one in also] == [{"n": "e1"}, {"n": "e2"}]
        array = await house.send(flow="h", json=[1, 2])
        assert array.json()["trigger"]["variables"]["body"] == [1, 2]
        assert (await house.send(flow="h", content=events("e1"), headers=CE_BATCH)).status_code == 400
        assert (await house.send(content=events(), headers=CE_BATCH)).status_code == 204


async def test_one_execution_sees_all_items(tmp_path: Path) -> None:
    """
    `mode: SINGLE` starts one execution with `trigger.items`; of a CloudEvents batch it also has `trigger.events`.
    """
    sources = (
        flow('batch: {items: "{{ trigger.body.entry }}", mode: SINGLE}\nwait: true'),
        flow("cloudEvents: AUTO\nbatch: {mode: SINGLE}", name="g"),
    )
    async with open_house(tmp_path, *sources) as house:
        one = (await house.send(json=entries(1, 2))).json()
        assert one["trigger"]["variables"]["items"] == [{"id": 1}, {"id": 2}]
        assert one["trigger"]["variables"]["body"]["object"] == "page"
        assert (await house.send(json={})).status_code == 400
        both = (await house.send(flow="g", content=events("e1", "e2"), headers=CE_BATCH)).json()
        assert [event["id"] for event in both["trigger"]["variables"]["events"]] == ["e1", "e2"]
        assert [event["id"] for event in both["trigger"]["variables"]["items"]] == ["e1", "e2"]
        assert len(house.executions()) == 2


async def test_items_may_be_made_with_jq(tmp_path: Path) -> None:
    """
    An expression may give each item what it needs of the rest of the delivery (the example of the documentation).
    """
    made_with = "{{ trigger.body | jq('.object as $o | .entry[] | . + {object: $o}') }}"
    assert f'`items: "{made_with}"`' in (DOCS / "README.md").read_text()
    async with open_house(tmp_path, flow(f'batch: {{items: "{made_with}"}}')) as house:
        for ids in ((1, 2), (3,)):
            made = (await house.send(json=entries(*ids))).json()
            seen = [one["trigger"]["variables"]["item"] for one in made]
            assert seen == [{"id": one, "object": "page"} for one in ids]


async def test_an_answer_for_the_whole_batch(tmp_path: Path) -> None:
    """
    A `response` answers for the whole delivery: Microsoft Graph wants 202 for its notifications.
    """
    code = flow(f"{ENTRY}\nresponse: {{code: 202}}")
    body = flow(f'{ENTRY}\nresponse: {{body: "first {{{{ trigger.item.id }}}}"}}', name="g")
    async with open_house(tmp_path, code, body) as house:
        accepted = await house.send(json=entries(1, 2))
        assert (accepted.status_code, len(accepted.json())) == (202, 2)
        assert (await house.send(flow="g", json=entries(1, 2))).text == "first 1"
        assert len(house.executions()) == 4


async def test_items_are_redacted(tmp_path: Path) -> None:
    """
    Pointers of `redact` lead into the item of an EACH batch and into the body of a SINGLE one; nothing leaks beside.
    """
    sources = (
        flow(f"{ENTRY}\nredact: {{pointers: [/card]}}"),
        flow("batch: {mode: SINGLE}\nredact: {pointers: [/0/card]}", name="g"),
        flow("cloudEvents: AUTO\nredact: {pointers: [/data/card]}", name="h"),
        flow("cloudEvents: AUTO\nredact: {pointers: [/card]}", name="i"),
    )
    event = {"specversion": "1.0", "id": "e", "source": "/s", "type": "t", "data": {"card": "4111-1111"}}
    binary = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
    async with open_house(tmp_path, *sources) as house:
        each = (await house.send(json=entries(1, card="4111-1111"))).json()[0]
        assert each["trigger"]["variables"]["item"] == {"id": 1, "card": "[redacted]"}
        single = (await house.send(flow="g", json=[{"card": "4111-1111"}])).json()
        assert single["trigger"]["variables"]["items"] == [{"card": "[redacted]"}]
        structured = {"Content-Type": "application/cloudevents+json"}
        for given, kind in ((event, structured), ([event], CE_BATCH)):
            content = json.dumps(given).encode()
            assert (await house.send(flow="h", content=content, headers=kind)).status_code == 200
        await house.send(flow="i", json={"card": "4111-1111"}, headers=binary)
        seen = [one.variables["event"]["data"] for one in first_events(house)[2:]]
        assert seen == [{"card": "[redacted]"}] * 3
        assert b"4111-1111" not in house.on_disk()


async def test_a_full_server_takes_no_part_of_a_batch(tmp_path: Path) -> None:
    """
    A batch that needs more room than there is is 503 as a whole.
    """
    async with open_house(
        tmp_path, flow(ENTRY, tasks=PAUSE), settings=[("webhook.maxExecutions", 3)]
    ) as house:
        refused = await house.send(json=entries(*range(4)))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert house.executions() == []
        assert (await house.send(json=entries(*range(3)))).status_code == 200


async def test_a_dry_run_of_a_batch(tmp_path: Path) -> None:
    """
    A dry run says how many items there are and which would start nothing, and starts none.
    """
    source = flow(f'{ENTRY}\nwhen: "{{{{ trigger.item.id > 1 }}}}"')
    async with open_house(tmp_path, source) as house:
        path = f"{HOOK.removesuffix('/executions/webhook')}/triggers/t/f/w/dryRun"
        said = (await house.client.post(path, json=entries(1, 2), auth=USER)).json()
        assert said["outcome"] == "accepted"
        assert [item.get("unmet") is not None for item in said["items"]] == [True, False]
        assert house.executions() == []


async def test_a_batch_item_is_sent_again(tmp_path: Path) -> None:
    """
    Every item is a delivery of its own: it can be replayed without the others.
    """
    async with open_house(tmp_path, flow(ENTRY)) as house:
        base = (await house.send(json=entries(1, 2))).headers["x-delivery-id"]
        again = await house.client.post(f"/api/v1/main/deliveries/{base}.1/replay", auth=USER)
        assert again.json()["replayOf"] == f"{base}.1"
        replayed = first_events(house)[-1]
        assert json.loads(replayed.body) == {"id": 2}
        assert len(house.executions()) == 3
