"""Rows of the black-box table about answers: repeated deliveries, waiting, answers of the author's own."""

import json
from pathlib import Path

import httpx
import pytest
import trio

from hookledger.journal.events import DeliveryRejected, DuplicateDelivery, TriggerReceived
from hookledger.journal.sqlite import partition_file
from hookledger.journal.verify import SqliteSource, verify

from .house import USER, Clock, House, flow, open_house

PAUSE = (
    "  - {id: wait, type: io.kestra.plugin.core.flow.Pause}\n"
    "  - {id: out, type: io.kestra.plugin.core.debug.Return, format: \"{{ trigger.body ?? '' }}\"}"
)
FAIL = '  - {id: out, type: io.kestra.plugin.core.debug.Return, format: "{{ nothing.here }}"}'
RETURN = 'outputs:\n  - {id: value, type: STRING, value: "{{ outputs.out.value }}"}\n'


def whole(house: House) -> bool:
    """Every rule of the verifier holds."""
    source = SqliteSource(partition_file(house.data))
    try:
        return verify(source).ok
    finally:
        source.close()


async def test_the_second_delivery_gets_the_first_answer(tmp_path: Path) -> None:
    """
    Row 35: the same id twice is one execution; the second answer is the first, byte for byte, and says so.
    """
    for index, extra in enumerate(("", "wait: true", "wait: true\nreturnOutputs: true")):
        directory = tmp_path / str(index)
        directory.mkdir()
        async with open_house(directory, flow(f"deduplication: {{}}\n{extra}", more=RETURN)) as house:
            headers = {"Idempotency-Key": "one"}
            first = await house.send(json={"a": 1}, headers=headers)
            second = await house.send(json={"a": 1}, headers=headers)
            assert first.status_code == second.status_code == 200, second.text
            assert first.content == second.content
            assert "idempotency-replayed" not in first.headers
            assert second.headers["idempotency-replayed"] == "true"
            assert first.headers["hookledger-receipt"] == second.headers["hookledger-receipt"]
            assert len(house.executions()) == 1
            (repeated,) = await house.settled(1, DuplicateDelivery)
            assert (repeated.body_same, repeated.answered) == (
                True,
                "replayed" if extra else repeated.answered,
            )
            assert repeated.delivery == second.headers["x-delivery-id"]


async def test_the_answer_survives_a_restart(tmp_path: Path) -> None:
    """
    Row 38 in order: a later process gives the recorded answer from the journal alone.
    """
    source = flow(
        "wait: true\ndeduplication: {}\n"
        'response: {code: 201, headers: {X-At: "{{ now() }}"}, contentType: text/plain, body: "{{ uuid() }}"}'
    )
    headers = {"Idempotency-Key": "one"}
    async with open_house(tmp_path, source) as house:
        first = await house.send(headers=headers)
    async with open_house(tmp_path, source) as house:
        second = await house.send(headers=headers)
        assert (second.status_code, second.content) == (201, first.content)
        assert second.headers["x-at"] == first.headers["x-at"]
        assert len(house.executions()) == 1
        assert whole(house)


async def test_another_body_under_the_same_key_is_422(tmp_path: Path) -> None:
    """
    Row 37: a key names one delivery; with another body it is a mistake, unless `fingerprint` is off.
    """
    sources = flow("deduplication: {}"), flow("deduplication: {fingerprint: false}", name="g")
    async with open_house(tmp_path, *sources) as house:
        headers = {"Idempotency-Key": "one"}
        await house.send(content=b"1", headers=headers)
        mismatch = await house.send(content=b"2", headers=headers)
        assert mismatch.status_code == 422
        assert mismatch.json()["type"].endswith("idempotency-mismatch")
        assert (await house.send(content=b"1", headers=headers)).headers["idempotency-replayed"] == "true"
        first = await house.send(flow="g", content=b"1", headers=headers)
        assert (await house.send(flow="g", content=b"2", headers=headers)).json() == first.json()


async def test_without_a_key_nothing_is_a_duplicate(tmp_path: Path) -> None:
    """
    Row 40: two equal deliveries without an id are two deliveries; `required` asks for one.
    """
    sources = flow("deduplication: {}"), flow("deduplication: {required: true}", name="g")
    async with open_house(tmp_path, *sources) as house:
        ids = {(await house.send()).json()["id"] for _ in range(2)}
        assert len(ids) == 2
        missing = await house.send(flow="g")
        assert (missing.status_code, missing.json()["type"][-24:]) == (400, "idempotency-key-required")


async def test_a_refused_delivery_claims_nothing(tmp_path: Path) -> None:
    """
    Row 41: an id of a delivery that was refused is still free for the one that is accepted.
    """
    source = flow(
        "signature: {preset: GITLAB_TOKEN, secret: right}\ndeduplication: {}\n"
        "when: \"{{ trigger.body != 'skip' }}\""
    )
    async with open_house(tmp_path, source) as house:
        headers = {"X-Gitlab-Event-UUID": "u1", "X-Gitlab-Token": "right"}
        assert (await house.send(headers={**headers, "X-Gitlab-Token": "wrong"})).status_code == 401
        assert (await house.send(content=b"skip", headers=headers)).status_code == 204
        accepted = await house.send(content=b"go", headers=headers)
        assert accepted.status_code == 200
        assert "idempotency-replayed" not in accepted.headers


async def test_the_window_ends(tmp_path: Path) -> None:
    """
    After `window` the key may start something again; the verifier agrees.
    """
    async with open_house(
        tmp_path, flow("deduplication: {key: '{{ trigger.body.id }}', window: PT1M}")
    ) as house:
        first = await house.send(json={"id": 7})
        assert (await house.send(json={"id": 7})).json() == first.json()
        house.clock.move(61)
        assert (await house.send(json={"id": 7})).json()["id"] != first.json()["id"]
        broken = await house.send(json={"other": 7})
        assert broken.status_code == 422
        assert len(house.executions()) == 2
        assert whole(house)


async def test_ignore_and_reject(tmp_path: Path) -> None:
    """
    IGNORE answers with the first id; REJECT is 409 while the first is under way and its answer afterwards.
    """
    sources = (
        flow("deduplication: {onDuplicate: IGNORE}"),
        flow("deduplication: {onDuplicate: REJECT}", name="g", tasks=PAUSE),
    )
    headers = {"Idempotency-Key": "one"}
    async with open_house(tmp_path, *sources) as house:
        first = (await house.send(headers=headers)).json()["id"]
        ignored = await house.send(headers=headers)
        assert (ignored.status_code, ignored.json()) == (200, {"id": first})
        assert (await house.send(flow="g", headers=headers)).status_code == 200
        rejected = await house.send(flow="g", headers=headers)
        assert (rejected.status_code, rejected.headers["retry-after"]) == (409, "1")


@pytest.mark.parametrize("extra", ["", "wait: true\nreturnOutputs: true"])
async def test_fifty_identical_deliveries_at_once(tmp_path: Path, extra: str) -> None:
    """
    50 equal deliveries at the same moment start one execution, and all callers get the same answer.
    """
    tasks = (
        "  - {id: nap, type: io.kestra.plugin.core.flow.Sleep, duration: PT0.05S}\n"
        '  - {id: out, type: io.kestra.plugin.core.debug.Return, format: "{{ uuid() }}"}'
    )
    answers: list[httpx.Response] = []
    source = flow(f"deduplication: {{}}\n{extra}", tasks=tasks, more=RETURN)
    async with open_house(tmp_path, source, clock=Clock().tick()) as house:

        async def one() -> None:
            answers.append(await house.send(json={"a": 1}, headers={"Idempotency-Key": "one"}))

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(one)
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.content for answer in answers}) == 1
        assert sum("idempotency-replayed" in answer.headers for answer in answers) == 49
        assert len(house.executions()) == 1
        assert len(await house.settled(10, DuplicateDelivery)) == 10
        assert whole(house)


async def test_time_is_over(tmp_path: Path) -> None:
    """
    Rows 51 and 52: past `timeout` the caller gets 202 with where to look, or 504 with FAIL; the execution goes on.
    """
    sources = (
        flow("wait: true\ntimeout: PT0.05S", tasks=PAUSE),
        flow("wait: true\ntimeout: PT0.05S\nonTimeout: FAIL", tasks=PAUSE, name="g"),
    )
    async with open_house(tmp_path, *sources) as house:
        later = await house.send()
        execution = later.json()["id"]
        assert later.status_code == 202
        assert later.headers["location"] == f"/api/v1/main/executions/{execution}"
        assert later.headers["retry-after"].isdigit()
        assert (await house.client.get(later.headers["location"], auth=USER)).json()["state"][
            "current"
        ] == "PAUSED"
        failed = await house.send(flow="g")
        assert failed.status_code == 504
        assert failed.json()["executionId"] in house.executions()


async def test_prefer(tmp_path: Path) -> None:
    """
    Row 53: `respond-async` is 202 while it goes on, `wait=N` bounds the wait; both say that they were honoured.
    """
    async with open_house(tmp_path, flow("wait: true", tasks=PAUSE), flow("wait: true", name="g")) as house:
        answer = await house.send(headers={"Prefer": "respond-async"})
        assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")
        bounded = await house.send(headers={"Prefer": "wait=0"})
        assert (bounded.status_code, bounded.headers["preference-applied"]) == (202, "wait=0")
        quick = await house.send(flow="g", headers={"Prefer": "wait=10"})
        assert (quick.status_code, quick.headers["preference-applied"]) == (200, "wait=10")


async def test_an_answer_of_ones_own(tmp_path: Path) -> None:
    """
    Row 55: code, headers and body are the author's; a header with a line break is refused, nothing is split.
    """
    source = flow(
        'wait: true\nresponse: {code: 201, headers: {X-Order: "{{ outputs.out.value }}"}, body: "{{ outputs }}"}'
    )
    async with open_house(tmp_path, source) as house:
        made = await house.send(content=b"order-1")
        assert (made.status_code, made.headers["x-order"]) == (201, "order-1")
        assert made.headers["content-type"] == "application/json"
        assert json.loads(made.content) == {"out": {"value": "order-1"}}
        split = await house.send(content=b"a\r\nSet-Cookie: x=1\r\n\r\n<script>")
        assert split.status_code == 500
        assert split.json()["type"].endswith("response-render-failed")
        assert "set-cookie" not in split.headers
        assert b"script" not in split.content


async def test_a_failed_answer(tmp_path: Path) -> None:
    """
    Row 56: `response.failed` is what the caller gets; the execution is FAILED all the same.
    """
    source = flow("wait: true\nresponse: {failed: {code: 409, body: no}}", tasks=FAIL)
    async with open_house(tmp_path, source, flow("wait: true", name="g", tasks=FAIL)) as house:
        answer = await house.send()
        assert (answer.status_code, answer.text) == (409, "no")
        execution = (await house.client.get("/api/v1/main/executions/search", auth=USER)).json()["results"][0]
        assert execution["state"]["current"] == "FAILED"
        assert (await house.send(flow="g")).status_code == 500


async def test_a_task_answers_early(tmp_path: Path) -> None:
    """
    A Respond task and `response.on: <task>` answer while the execution goes on; the first answer wins.
    """
    respond = (
        "  - {id: say, type: io.hookledger.core.Respond, code: 202, headers: {X-A: b}, body: {ok: true}}\n"
        "  - {id: again, type: io.hookledger.core.Respond, code: 500}\n"
        "  - {id: wait, type: io.kestra.plugin.core.flow.Pause}"
    )
    named = (
        '  - {id: first, type: io.kestra.plugin.core.debug.Return, format: "{{ trigger.body }}"}\n'
        "  - {id: wait, type: io.kestra.plugin.core.flow.Pause}"
    )
    sources = (
        flow("wait: true\ndeduplication: {}", tasks=respond),
        flow('wait: true\nresponse: {on: first, body: "{{ outputs.first.value }}!"}', tasks=named, name="g"),
    )
    async with open_house(tmp_path, *sources) as house:
        headers = {"Idempotency-Key": "one"}
        early = await house.send(headers=headers)
        assert (early.status_code, early.headers["x-a"], early.json()) == (202, "b", {"ok": True})
        again = await house.send(headers=headers)
        assert (again.status_code, again.content) == (202, early.content)
        on_task = await house.send(flow="g", content=b"hi")
        assert (on_task.status_code, on_task.text) == (200, "hi!")


async def test_an_answer_without_waiting(tmp_path: Path) -> None:
    """
    Without `wait` a `response` is given when the delivery is received; it may use the trigger and the id.
    """
    source = flow('response: {code: 202, body: "got {{ trigger.body }}"}\ndeduplication: {}')
    async with open_house(tmp_path, source) as house:
        headers = {"Idempotency-Key": "one"}
        answer = await house.send(content=b"it", headers=headers)
        assert (answer.status_code, answer.text) == (202, "got it")
        assert (await house.send(content=b"it", headers=headers)).text == "got it"


async def test_progress_is_streamed(tmp_path: Path) -> None:
    """
    `contentType: text/event-stream` shows the execution's events as they become durable, and ends with it.
    """
    source = flow("wait: true\nreturnOutputs: true\nresponse: {contentType: text/event-stream}", more=RETURN)
    async with open_house(tmp_path, source) as house:
        answer = await house.send(content=b"x")
        assert answer.headers["content-type"].startswith("text/event-stream")
        names = [line[7:] for line in answer.text.splitlines() if line.startswith("event: ")]
        assert names == ["TriggerReceived", "TaskStarted", "TaskReturned", "OutputsResolved", "end"]
        assert '"outputs":{"value":"x"}' in answer.text


async def test_a_caller_who_hangs_up_ends_nothing(tmp_path: Path) -> None:
    """
    Who stops waiting only stops waiting; the execution is there and goes on.
    """
    async with open_house(tmp_path, flow("wait: true", tasks=PAUSE)) as house:
        with pytest.raises(httpx.ReadTimeout):
            await house.send(timeout=0.3)
        (received,) = await house.settled(1, TriggerReceived)
        assert received.wait


async def test_conditions(tmp_path: Path) -> None:
    """
    A false `when` is 204 (or `onMismatch`), one that raises is 422; both are recorded with their reason.
    """
    sources = (
        flow('when: "{{ trigger.body.a == 1 }}"'),
        flow('when: "{{ trigger.body.a == 1 }}"\nonMismatch: {code: 202, body: ignored}', name="g"),
    )
    async with open_house(tmp_path, *sources) as house:
        assert (await house.send(json={"a": 1})).status_code == 200
        unmet = await house.send(json={"a": 2})
        assert (unmet.status_code, unmet.content) == (204, b"")
        assert (await house.send(json={"b": 2})).status_code == 422
        other = await house.send(flow="g", json={"a": 2})
        assert (other.status_code, other.text) == (202, "ignored")
        assert [event.status for event in await house.settled(3, DeliveryRejected)] == [204, 422, 202]
        assert len(house.executions()) == 1


@pytest.mark.parametrize(
    "more", ["", "responseContentType: text/plain", "responseCode: 502", "responseCode: 522"]
)
async def test_a_failed_run_that_returns_outputs_says_so(tmp_path: Path, more: str) -> None:
    """
    U9: with `wait` and `returnOutputs` a failed run is a problem document with its id, state, failed task and message,
    also as plain text or under a status of the author's; the same again for a repetition.
    """
    fail = "  - {id: bad, type: io.kestra.plugin.core.execution.Fail, errorMessage: no stock}"
    source = flow(f"wait: true\nreturnOutputs: true\ndeduplication: {{key: one}}\n{more}", tasks=fail)
    async with open_house(tmp_path, source) as house:
        answer = await house.send()
        said = answer.json()
        assert answer.status_code == int(more[-3:] if "Code" in more else 500)
        assert answer.headers["content-type"] == "application/problem+json"
        assert (said["type"], said["id"]) == (
            "urn:hookledger:problem:execution-failed",
            house.executions()[0],
        )
        assert (said["state"], said["task"]) == ("FAILED", "bad")
        assert "no stock" in said["detail"]
        assert (await house.send()).content == answer.content
