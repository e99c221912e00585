"""Every delivery is explainable: lists, single ones, sending again, asking what would happen."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from hookledger.api.cli import main
from hookledger.journal.events import DuplicateDelivery, TriggerReceived
from hookledger.journal.sqlite import partition_file
from hookledger.journal.verify import SqliteSource, verify

from ...runtime.triggers.webhook.signatures.test_vectors import BODY, KEY, github  # noqa: TID252
from .house import USER, flow, open_house

SOURCE = flow(
    "signature: {preset: GITHUB, secret: \"{{ secret('S') }}\"}\ndeduplication: {}\nhandshake: [GRAPH]\n"
    "when: \"{{ (trigger.body.hello ?? '') != 'nobody' }}\""
)
D1 = "9a950a07b0d6dbb65a6d85a21ceea8837000eb4cd99d912e3ef46c03e4c9fd6d"
LIST = "/api/v1/main/triggers/t/f/w/deliveries"
SIGNED = {**dict(github(D1)), "X-GitHub-Delivery": "guid-1", "Content-Type": "application/json"}


async def test_all_kinds_are_listed(tmp_path: Path) -> None:
    """
    Accepted, repeated, refused deliveries and handshakes are listed with their reasons, by API and by command line.
    """
    async with open_house(tmp_path, SOURCE, secrets={"S": KEY}) as house:
        await house.send(content=BODY, headers=SIGNED)
        await house.send(content=BODY, headers=SIGNED)
        await house.send(content=b"x", headers=SIGNED)
        await house.send(tail="?validationToken=t%20k")
        await house.settled(1, DuplicateDelivery)
        assert (await house.client.get(LIST)).status_code == 401
        listed = (await house.client.get(LIST, auth=USER)).json()
        assert listed["total"] == 4
        by_kind = {row["kind"]: row for row in listed["results"]}
        assert by_kind["REJECTED"]["reason"] == "signature-mismatch"
        assert by_kind["HANDSHAKE"]["reason"] == "GRAPH"
        assert by_kind["DUPLICATE"]["execution"] == by_kind["ACCEPTED"]["execution"]
        only = (await house.client.get(LIST, auth=USER, params={"kind": "rejected"})).json()
        assert [row["kind"] for row in only["results"]] == ["REJECTED"]
        one = await house.client.get(f"/api/v1/main/deliveries/{by_kind['ACCEPTED']['id']}", auth=USER)
        assert one.json()["verification"]["preset"] == "GITHUB"
        assert one.json()["deduplication"] == "guid-1"
        assert one.json()["variables"]["body"] == {"hello": "world"}
        assert (await house.client.get("/api/v1/main/deliveries/none", auth=USER)).status_code == 404
        printed = CliRunner().invoke(main, ["journal", "deliveries", "--data", str(house.data)])
        assert printed.exit_code == 0
        assert "401 signature-mismatch" in printed.output
        assert "4 of 4" in printed.output


async def test_a_delivery_is_sent_again(tmp_path: Path) -> None:
    """
    Row 68: with credentials a recorded delivery becomes a new execution with `replayOf`; the original is untouched.
    """
    async with open_house(tmp_path, SOURCE, secrets={"S": KEY}) as house:
        first = await house.send(content=BODY, headers=SIGNED)
        delivery = first.headers["x-delivery-id"]
        path = f"/api/v1/main/deliveries/{delivery}/replay"
        assert (await house.client.post(path)).status_code == 401
        again = (await house.client.post(path, auth=USER)).json()
        assert again["replayOf"] == delivery
        original, copy = house.events(TriggerReceived)
        assert (copy.replay_of, copy.body, copy.deduplication) == (delivery, original.body, "")
        assert again["id"] != first.json()["id"]
        source = SqliteSource(partition_file(house.data))
        assert verify(source).ok
        source.close()


async def test_a_dry_run_explains(tmp_path: Path) -> None:
    """
    A dry run names every step and the reason of a refusal, and writes nothing at all.
    """
    path = "/api/v1/main/triggers/t/f/w/dryRun"
    async with open_house(tmp_path, SOURCE, secrets={"S": KEY}) as house:
        before = house.names()
        good = (await house.client.post(path, auth=USER, content=BODY, headers=SIGNED)).json()
        assert (good["outcome"], good["deduplication"]) == ("accepted", "guid-1")
        assert [step["outcome"] for step in good["steps"]] == ["passed"] * len(good["steps"])
        bad = (await house.client.post(path, auth=USER, content=b"x", headers=SIGNED)).json()
        assert (bad["status"], bad["reason"]) == (401, "signature-mismatch")
        assert bad["steps"][-1] == {
            "step": "signature",
            "outcome": "refused",
            "status": 401,
            "reason": bad["reason"],
        }
        assert (await house.client.post(path, content=BODY)).status_code == 401
        assert house.names() == before


async def test_a_lost_claim_is_noticed(tmp_path: Path) -> None:
    """
    The verifier rebuilds claims: a row that is missing or differs breaks L18.
    """
    import apsw

    async with open_house(tmp_path, SOURCE, secrets={"S": KEY}) as house:
        await house.send(content=BODY, headers=SIGNED)
    file = apsw.Connection(str(partition_file(house.data)))
    file.execute("UPDATE claim SET execution = 'another', at = 0")
    file.close()
    source = SqliteSource(partition_file(house.data))
    assert "L18" in {violation.rule for violation in verify(source).violations}
    source.close()


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        ("application/json", '{"a": 1', True),
        ("application/vnd.x+json; charset=utf-8", "plain words", True),
        ("application/json", '{"a": 1} {"b": 2}', True),
        ("application/json", '{"a": 1}', False),
        ("application/json", '"text"', False),
        ("application/json", "5", False),
        ("text/plain", "{", False),
    ],
)
async def test_a_delivery_tells_that_its_body_is_no_json(
    tmp_path: Path, kind: str, body: str, told: bool
) -> None:
    """
    A body that claims JSON and is none is text for the flow, and the delivery says so, on the API and on its page.
    """
    async with open_house(tmp_path, flow("methods: [POST]")) as house:
        sent = await house.send(content=body.encode(), headers={"Content-Type": kind})
        assert sent.status_code == 200
        delivery = sent.headers["x-delivery-id"]
        view = (await house.client.get(f"/api/v1/main/deliveries/{delivery}", auth=USER)).json()
        assert ("is no JSON" in view.get("remark", "")) is told
        if told:
            assert view["variables"]["body"] == body
            assert "strictJson" in view["remark"]
