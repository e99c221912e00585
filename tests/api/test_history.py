"""What the API shows of the journal is what the command line shows; replaying starts from the same delivery."""

import base64
import json
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner

from hookledger.api.cli import main
from hookledger.journal.entry import leaf_hash

from .site import USER, Site, flow, open_site
from .test_operations import APPROVAL, send, started

ENDED: Final = {"f": flow("f", text="{{ trigger.body }}", trigger="    wait: true\n")}


def printed(site: Site, *arguments: str) -> Any:
    """What a command prints as JSON."""
    done = CliRunner().invoke(main, ["journal", *arguments, "--data", str(site.data)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


async def ended(site: Site, body: str = "hello") -> str:
    """Call the webhook; returns the execution's id."""
    before = site.executions()
    assert (await site.call("f", method="POST", content=body)).status_code == 200
    (execution,) = site.executions() - before
    return execution


async def test_events_are_those_of_the_command_line(tmp_path: Path) -> None:
    """
    `events` has the shape of `journal show --json`: events, and the header and leaf of every entry.
    """
    async with open_site(tmp_path, ENDED) as site:
        execution = await ended(site)
        shown = (await send(site, "GET", f"/executions/{execution}/events")).json()
        assert shown == printed(site, "show", execution, "--json")
    assert [event["sequence"] for event in shown["events"]] == list(range(len(shown["events"])))
    assert {"header", "leaf"} == set(shown["entries"][0])


async def test_state_at_an_event_is_that_of_the_command_line(tmp_path: Path) -> None:
    """
    `state?at=N` is `journal replay --at N` for every N, and without N the newest; a place that is not there is 400.
    """
    async with open_site(tmp_path, ENDED) as site:
        execution = await ended(site)
        path = f"/executions/{execution}/state"
        for sequence in range(len(site.events(execution))):
            shown = (await send(site, "GET", f"{path}?at={sequence}")).json()
            assert shown["sequence"] == sequence
            assert shown == printed(site, "replay", execution, "--at", str(sequence))
        assert (await send(site, "GET", path)).json() == printed(site, "replay", execution)
        for bad in ("-1", "x", "99", "1.5", "9" * 30):
            answer = await send(site, "GET", f"{path}?at={bad}")
            assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


async def test_a_receipt_names_an_entry(tmp_path: Path) -> None:
    """
    The receipt of an entry is what a webhook's caller got; its leaf is the hash of that entry's stored header.
    """
    async with open_site(tmp_path, ENDED) as site:
        told = (await site.call("f")).headers["hookledger-receipt"]
        (execution,) = site.executions()
        path = f"/executions/{execution}/receipt"
        answer = await send(site, "GET", path)
        entries = site.entries(execution)
        older = [(await send(site, "GET", f"{path}?entry={n}")).json() for n in range(len(entries))]
        bad = [(await send(site, "GET", f"{path}?entry={n}")).status_code for n in (len(entries), "x")]
    assert answer.json()["receipt"] == answer.headers["hookledger-receipt"] == told
    assert [base64.b64decode(one["leaf"]) for one in older] == [leaf_hash(entry.raw) for entry in entries]
    assert older[-1] == answer.json()
    assert bad == [400, 400]


async def test_replaying_starts_from_the_same_delivery(tmp_path: Path) -> None:
    """
    A replay is a new execution of the same body with a label that names the first, which is untouched; the journal
    keeps who asked out of its headers.
    """
    async with open_site(tmp_path, ENDED) as site:
        execution = await ended(site, "the body")
        before = site.entries(execution)
        answer = await send(site, "POST", f"/executions/{execution}/actions/replay")
        assert answer.status_code == 200, answer.text
        copy = answer.json()
        await site.until(lambda: type(site.events(copy["id"])[-1]).__name__ == "OutputsResolved")
        shown = (await send(site, "GET", f"/executions/{copy['id']}")).json()
        assert site.entries(execution) == before
        headers = b"".join(entry.raw for entry in site.entries(copy["id"]))
        first: Any = site.events(copy["id"])[0]
    assert copy["id"] != execution
    assert (copy["parentId"], copy["originalId"]) == (execution, execution)
    assert {"key": "system.replayOf", "value": execution} in copy["labels"]
    assert shown["taskRunList"][0]["outputs"] == {"value": "the body"}
    assert first.body == b"the body"
    assert USER[0].encode() not in headers


async def test_replays_name_the_one_before_and_the_first(tmp_path: Path) -> None:
    """
    A replay, whole or from a task, has the execution that it repeats as its parent and the first of them as original;
    alone, in lists and in expressions.
    """
    async with open_site(tmp_path, {"f": flow("f", text="{{ execution.originalId }}")}) as site:
        first = (await site.call("f")).json()["id"]
        await site.until(lambda: type(site.events(first)[-1]).__name__ == "OutputsResolved")
        chain = [first]
        for end in ("", f"?taskRunId={first}:out", ""):
            path = f"/executions/{chain[-1]}/actions/replay{end.replace(first, chain[-1])}"
            chain.append((await send(site, "POST", path)).json()["id"])
            await site.until(lambda: type(site.events(chain[-1])[-1]).__name__ == "OutputsResolved")
        shown = [(await send(site, "GET", f"/executions/{one}")).json() for one in chain]
        listed = {one["id"]: one for one in (await send(site, "GET", "/executions/search")).json()["results"]}
    for each in (shown, [listed[one] for one in chain]):
        assert [one["originalId"] for one in each] == [first] * 4
        assert [one.get("parentId") for one in each] == [None, *chain[:-1]]
    assert [one["taskRunList"][0]["outputs"]["value"] for one in shown] == [first] * 4


async def test_what_a_person_started_is_replayed_with_its_inputs(tmp_path: Path) -> None:
    """
    Inputs and own labels given by hand are taken over; the older path answers too.
    """
    async with open_site(tmp_path, {"f": APPROVAL}) as site:
        wish = {"inputs": {"amount": 7}, "labels": {"ticket": "42"}}
        execution = (await send(site, "POST", "/executions/io.tests/approval", wish)).json()["id"]
        copy = (await send(site, "POST", f"/executions/{execution}/replay")).json()
    labels = {one["key"]: one["value"] for one in copy["labels"]}
    assert copy["inputs"] == {"amount": 7}
    assert (labels["ticket"], labels["system.replayOf"], labels["system.from"]) == ("42", execution, "api")
    assert labels["system.correlationId"] == copy["id"]


async def test_what_cannot_be_replayed_starts_nothing(tmp_path: Path) -> None:
    """
    A task run that is not there is 422, a flow that is gone 409, a SECRET input 422: it is sealed for the first.
    """
    secret = flow("s", more="inputs:\n  - id: pin\n    type: SECRET\n")
    async with open_site(tmp_path, {"f": APPROVAL, "s": secret}, encryptionKey="k" * 32) as site:
        execution = await started(site)
        sealed = (await send(site, "POST", "/executions/io.tests/s", {"inputs": {"pin": "1234"}})).json()[
            "id"
        ]
        before = site.executions()
        answers = [
            await send(site, "POST", f"/executions/{execution}/actions/replay?taskRunId=x"),
            await send(site, "POST", f"/executions/{sealed}/actions/replay"),
        ]
        assert (await send(site, "DELETE", "/flows/io.tests/approval")).status_code == 204
        answers.append(await send(site, "POST", f"/executions/{execution}/actions/replay"))
        assert site.executions() == before
    assert [answer.status_code for answer in answers] == [422, 422, 409]
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in answers)


async def test_an_unknown_execution_has_no_history(tmp_path: Path) -> None:
    """
    Ids nobody has are 404 everywhere, and so is the journal's own stream.
    """
    async with open_site(tmp_path) as site:
        for name in ("nobody", "system"):
            for method, part in (
                ("GET", "events"),
                ("GET", "state"),
                ("GET", "receipt"),
                ("POST", "actions/replay"),
            ):
                answer = await send(site, method, f"/executions/{name}/{part}")
                assert (answer.status_code, answer.headers["content-type"]) == (
                    404,
                    "application/problem+json",
                )
