"""An execution in quarantine: named wherever an operator looks, with what is wrong and what to do."""

from pathlib import Path
from typing import Final

import pytest

from hookledger.journal.sqlite import partition_file
from tests.api.site import USER, flow
from tests.journal.builders import tamper

from .house import console, text_of, words

API: Final = "/api/v1/main/executions"
SLEEPER: Final = flow(
    "sleeper", trigger='    deduplication: {key: "{{ trigger.parameters.key[0] }}"}\n'
).replace("tasks:\n", "tasks:\n  - {id: nap, type: io.kestra.plugin.core.flow.Sleep, duration: PT1H}\n")


@pytest.mark.parametrize("damage", ["truncated", "gone"])
async def test_an_execution_in_quarantine_is_marked_where_an_operator_looks(
    tmp_path: Path, damage: str
) -> None:
    """
    A damaged execution: lists of the API and of the console mark it, its page says what is wrong and what to do,
    reading and commanding it is 409 `execution-damaged`, and so is a repeat of its delivery; its neighbour is as ever.
    """
    async with console(tmp_path, {"sleeper": SLEEPER}) as admin:
        bad, good = [
            (await admin.site.call("sleeper", params={"key": key})).json()["id"] for key in ("bad", "good")
        ]
        await admin.site.until(lambda: all(len(admin.site.events(one)) >= 2 for one in (bad, good)))
        file = partition_file(admin.site.data)
    wrong = {"truncated": "substr(payload, 1, length(payload) - 5)", "gone": "NULL"}[damage]
    tamper(file, f"UPDATE entry SET payload = {wrong} WHERE exec = '{bad}' AND n = 0")
    async with console(tmp_path, {"sleeper": SLEEPER}) as admin:
        client = admin.site.client
        await admin.site.line("listens on")
        ready = (await client.get("/ready")).json()
        listed = {one["id"]: one for one in (await client.get(f"{API}/search", auth=USER)).json()["results"]}
        read = await client.get(f"{API}/{bad}", auth=USER)
        told = await client.delete(f"{API}/{bad}/kill", auth=USER)
        repeats = [await admin.site.call("sleeper", params={"key": key}) for key in ("bad", "good")]
        listing = words((await admin.get("/ui/main/executions")).text)
        page = (await admin.get(f"/ui/main/executions/io.tests/sleeper/{bad}")).text
        sound = (await admin.get(f"/ui/main/executions/io.tests/sleeper/{good}")).text
    assert ready["troubles"][0]["executions"] == [bad]
    assert "damaged" in listed[bad]["quarantine"]
    assert "quarantine" not in listed[good]
    for answer in (read, told, repeats[0]):
        assert answer.status_code == 409, answer.text
        assert answer.json()["type"].endswith("execution-damaged")
    assert repeats[0].json()["executionId"] == bad
    assert (repeats[1].status_code, repeats[1].json()["id"]) == (200, good)
    assert listing.count("in quarantine: it cannot go on") == 1
    notice = text_of(page, "quarantine")
    assert "all others run" in notice
    assert f"hookledger journal verify {bad}" in notice
    assert 'id="quarantine"' not in sound
