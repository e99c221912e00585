"""Every flow of examples/flows does what its header promises."""

import re
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import pytest
import trio
from trio.testing import MockClock

from hookledger.actors import Engine, Ports
from hookledger.journal.events import AnyEvent, KeyValueSet, TaskReturned, TaskStarted
from hookledger.journal.memory import MemoryStore
from hookledger.journal.sqlite import SqliteReader, partition_file
from hookledger.journal.store import Query, Reader
from hookledger.runtime.flow.parse import parse_flow
from hookledger.runtime.state import State, fold_all
from hookledger.runtime.triggers.webhook.signatures import Draft, parse_signature, sign
from tests.api.site import HOOK, USER, Site, open_site

from .outside import Answering, Call, FakeHttp, Outside, Reply, fine, services

FILES: Final = {path.stem: path for path in (Path(__file__).parents[2] / "examples/flows").glob("*.yaml")}
RUN: Final[set[str]] = set()
SECRETS: Final = {
    "GITHUB": "it is a secret",
    "STRIPE": "whsec_0123456789abcdef",
    "META": "the app's secret",
    "META_VERIFY": "typed in at Meta",
    "META_TOKEN": "EAAG-token",
}
OUTSIDE: Final = re.compile(r"envs\.(\w+)_url")
EPOCH_US: Final = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
Test = TypeVar("Test", bound=Callable[..., Any])


def runs(*names: str) -> Callable[[Test], Test]:
    """Says which examples a test runs; `test_every_example_is_run` compares."""
    RUN.update(names)
    return lambda test: test


def source(name: str) -> str:
    """An example as it is shipped."""
    return FILES[name].read_text(encoding="utf-8")


def environment(outside: Outside, *names: str, **more: str) -> dict[str, str]:
    """What `envs` holds: an address for each service the examples name."""
    found = {service for name in names for service in OUTSIDE.findall(source(name))}
    return {f"{service}_url": outside.uri(service) for service in found} | more


class Town:
    """The server with examples on it, and the services around it."""

    def __init__(self, site: Site, outside: Outside) -> None:
        self.site = site
        self.outside = outside

    async def deliver(self, name: str, key: str, body: Any = None, **more: Any) -> httpx.Response:
        """Send a delivery to an example; a body that is no bytes goes as JSON."""
        given = {} if body is None else {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self.site.client.post(f"{HOOK}/company.team/{name}/{key}", **given, **more)

    def state(self, execution: str) -> State:
        """What the journal says of an execution."""
        return fold_all(self.site.events(execution))  # type: ignore[arg-type]

    async def reached(self, execution: str, *statuses: str) -> State:
        """Wait until it is durable that an execution is in one of these states."""
        await self.site.until(lambda: self.state(execution).status in statuses)
        return self.state(execution)

    def started(self, name: str) -> list[str]:
        """Executions of a flow, oldest first."""
        reader = SqliteReader(partition_file(self.site.data))
        try:
            return started(reader, name)
        finally:
            reader.close()

    def stored(self) -> dict[str, Any]:
        """Values that flows stored, by key."""
        events: list[AnyEvent] = self.site.events("system")
        return {event.key: event.value for event in events if isinstance(event, KeyValueSet)}


def started(reader: Reader, name: str) -> list[str]:
    """Executions of a flow, oldest first."""
    return [row.execution for row in reader.rows(Query(flow=name, ascending=True))[0]]


@asynccontextmanager
async def town(
    directory: Path,
    *names: str,
    answering: Answering = fine,
    secrets: Mapping[str, str] = SECRETS,
    flows: Mapping[str, str] | None = None,
    **envs: str,
) -> AsyncGenerator[Town]:
    """Serve examples, and all services they call, until the block ends."""
    async with services(answering) as outside:
        ports = Ports(secrets=secrets.get, environment=environment(outside, *names, **envs))
        served = {name: source(name) for name in names} | dict(flows or {})
        async with open_site(directory, served, ports=ports) as site:
            yield Town(site, outside)


def signed(preset: str, secret: str, body: bytes, now: float) -> dict[str, str]:
    """Headers as the sender's own."""
    scheme = parse_signature({"preset": preset, "secret": "x"}).scheme
    assert scheme is not None
    headers = dict(sign(scheme, secret, Draft(body=body, now=now)).headers)
    return {"Content-Type": "application/json", **headers}


def test_every_example_is_run() -> None:
    """
    A flow in examples/flows that no test of this module runs fails the suite.
    """
    assert set(FILES) == RUN


@pytest.mark.parametrize("name", sorted(FILES))
def test_an_example_explains_itself(name: str) -> None:
    """
    Each example loads without warnings, is named like its file, and says what it is for, what to set and how to try it.
    """
    text = source(name)
    flow = parse_flow(text, file=name)
    assert (flow.namespace, flow.id, flow.warnings) == ("company.team", name, ())
    if name not in ("trigger", "webhook_return_outputs"):  # the product page's, as they stand there
        for heading in ("What it is for:", "What to set:", "Try it:"):
            assert f"# {heading}" in text, heading
        for variable in re.findall(r"envs\.(\w+)", text):
            assert f"ENV_{variable.upper()}" in text, variable
        for secret in re.findall(r"secret\('(\w+)'\)", text):
            assert f"HOOKLEDGER_SECRET_{secret}" in text, secret


@runs("trigger", "webhook_return_outputs", "stand_in")
async def test_examples_without_an_outside(tmp_path: Path) -> None:
    """
    The product page's flows and the stand-in answer as they are; the server's banner lists every webhook there is.
    """
    async with town(tmp_path, *FILES) as here:
        get, key = here.site.client.get, "4wjtkzwVGBM9yKnjm3yv8r"
        execution = (await get(f"{HOOK}/company.team/trigger/{key}")).json()["id"]
        assert (await here.reached(execution, "SUCCESS")).status == "SUCCESS"
        greeting = await get(f"{HOOK}/company.team/webhook_return_outputs/{key}", params={"name": "Ada"})
        assert greeting.json() == {"greeting": "Hello Ada!"}
        answer = await here.deliver("stand_in", "change-me-stand-in", {"any": "thing"})
        assert answer.json() == {"status": "done", "value": 42, "available": True}
        await here.site.line("Ctrl-C stops it")
        assert not [line for line in here.site.said if "not loaded" in line or "warning" in line]
        for name in FILES:
            if "trigger.Webhook" in source(name):
                assert [line for line in here.site.said if f"/company.team/{name}/" in line], name


PUSH: Final = (
    b'{"ref":"refs/heads/main","pusher":{"name":"ada"},"repository":{"full_name":"acme/shop"},'
    b'"commits":[{},{}],"head_commit":{"message":"Fix the till"}}'
)


@runs("github_push_to_chat")
async def test_a_push_becomes_a_message(tmp_path: Path) -> None:
    """
    A signed push sends one message to the room; a ping starts nothing; a wrong signature is 401.
    """
    name, key = "github_push_to_chat", "change-me-github"
    headers = signed("GITHUB", SECRETS["GITHUB"], PUSH, 0)
    async with town(tmp_path, name) as here:
        answer = await here.deliver(name, key, PUSH, headers=headers | {"X-GitHub-Event": "push"})
        await here.reached(answer.json()["id"], "SUCCESS")
        (call,) = here.outside.of("chat")
        assert call.method == "POST"
        assert call.json == {"text": "ada pushed 2 commits to acme/shop main: Fix the till"}
        ping = await here.deliver(name, key, PUSH, headers=headers | {"X-GitHub-Event": "ping"})
        assert ping.status_code == 204
        forged = {"X-GitHub-Event": "push", "X-Hub-Signature-256": f"sha256={'0' * 64}"}
        assert (await here.deliver(name, key, PUSH, headers=forged)).status_code == 401
        assert len(here.started(name)) == 1


async def test_without_its_secret_an_example_accepts_nothing(tmp_path: Path) -> None:
    """
    An example whose secret is not set loads, answers 503, and starts nothing.
    """
    names = {
        "github_push_to_chat": "change-me-github",
        "payment_event": "change-me-stripe",
        "whatsapp_messages": "change-me-whatsapp",
    }
    async with town(tmp_path, *names, secrets={}) as here:
        for name, key in names.items():
            answer = await here.deliver(name, key, PUSH, headers={"X-GitHub-Event": "push"})
            assert answer.status_code == 503, name
        assert not here.site.executions()


@runs("payment_event")
async def test_a_payment_counts_once(tmp_path: Path) -> None:
    """
    Each kind of event stores the order's state; one delivered twice is answered by the execution there is.
    """
    name, key = "payment_event", "change-me-stripe"

    def event(number: int, kind: str) -> bytes:
        thing = '{"amount":1250,"metadata":{"order":"A-17"}}'
        return f'{{"id":"evt_{number}","type":"{kind}","data":{{"object":{thing}}}}}'.encode()

    kinds = ["payment_intent.payment_failed", "payment_intent.succeeded", "charge.refunded", "charge.updated"]
    states: list[Any] = []
    async with town(tmp_path, name) as here:
        for number, kind in enumerate(kinds):
            body = event(number, kind)
            headers = signed("STRIPE", SECRETS["STRIPE"], body, time.time())
            answer = await here.deliver(name, key, body, headers=headers)
            assert answer.status_code == 200, answer.text
            await here.reached(answer.json()["id"], "SUCCESS")
            states.append(here.stored().get("order_A-17"))
            again = await here.deliver(name, key, body, headers=headers)
            assert again.json()["id"] == answer.json()["id"]
        assert len(here.started(name)) == len(kinds)
    assert states == [
        {"state": "UNPAID", "event": "evt_0"},
        {"state": "PAID", "amount": 1250, "event": "evt_1"},
        {"state": "REFUNDED", "event": "evt_2"},
        {"state": "REFUNDED", "event": "evt_2"},
    ]


async def resume(here: Town, execution: str, **inputs: Any) -> None:
    """What a person does."""
    answer = await here.site.client.post(
        f"/api/v1/main/executions/{execution}/actions/resume", auth=USER, json={"inputs": inputs}
    )
    assert answer.status_code == 200, answer.text


@runs("approval")
async def test_an_approved_deployment_goes_out(tmp_path: Path) -> None:
    """
    Nothing is called before somebody agreed; then the service is, and the label says what was decided.
    """
    async with town(tmp_path, "approval") as here:
        body = {"service": "shop", "version": "1.4.2"}
        execution = (await here.deliver("approval", "change-me-approval", body)).json()["id"]
        await here.reached(execution, "PAUSED")
        assert not here.outside.calls
        await resume(here, execution, approved=True, reason="tested")
        state = await here.reached(execution, "SUCCESS", "FAILED")
        assert (state.status, state.labels["decision"], state.labels["team"]) == (
            "SUCCESS",
            "approved",
            "platform",
        )
        (call,) = here.outside.of("deploy")
        assert call.json == {"service": "shop", "version": "1.4.2", "environment": "production"}


async def test_a_rejected_deployment_stays(tmp_path: Path) -> None:
    """
    A no calls nothing and ends the execution as cancelled; a bad service name is refused at once.
    """
    async with town(tmp_path, "approval") as here:
        body = {"service": "shop", "version": "1.4.2", "environment": "staging"}
        execution = (await here.deliver("approval", "change-me-approval", body)).json()["id"]
        await here.reached(execution, "PAUSED")
        await resume(here, execution, approved=False, reason="Friday")
        state = await here.reached(execution, "SUCCESS", "FAILED", "CANCELLED")
        assert (state.status, state.labels["decision"]) == ("CANCELLED", "rejected")
        bad = await here.deliver("approval", "change-me-approval", {"service": "../x", "version": "1"})
        assert bad.status_code == 422
        assert not here.outside.calls


def shop(call: Call) -> Reply:
    """Price, stock and rating of things."""
    return Reply(
        {"/price": {"value": 12.5}, "/stock": {"available": False}, "/rating": {"value": 4.5}}[call.path]
    )


@runs("fan_out_merge")
async def test_three_answers_become_one(tmp_path: Path) -> None:
    """
    The caller waits and gets the three services' answers with their types.
    """
    async with town(tmp_path, "fan_out_merge", answering=shop) as here:
        answer = await here.deliver("fan_out_merge", "change-me-fan-out?sku=C-1")
        assert answer.json() == {"sku": "C-1", "price": 12.5, "available": False, "rating": 4.5}
        for service in ("price", "stock", "rating"):
            (call,) = here.outside.of(service)
            assert call.query == {"service": [service], "sku": ["C-1"]}


@pytest.mark.parametrize(
    "rating", [Reply(silent=True), Reply({"error": "down"}, status=500)], ids=["late", "broken"]
)
async def test_an_offer_goes_out_without_its_rating(tmp_path: Path, rating: Reply) -> None:
    """
    A rating that is late or broken makes a warning of the execution and nothing of the offer's member.
    """

    def answering(call: Call) -> Reply:
        return rating if call.path == "/rating" else shop(call)

    async with town(tmp_path, "fan_out_merge", answering=answering, rating_timeout="PT0.05S") as here:
        answer = await here.deliver("fan_out_merge", "change-me-fan-out?sku=C-1")
        assert answer.status_code == 200
        assert answer.json() == {"sku": "C-1", "price": 12.5, "available": False}
        (execution,) = here.started("fan_out_merge")
        assert here.state(execution).status == "WARNING"


async def test_an_offer_needs_a_price(tmp_path: Path) -> None:
    """
    When the price is missing there is no offer: the execution fails and the caller gets a 500.
    """

    def answering(call: Call) -> Reply:
        return Reply(status=503) if call.path == "/price" else shop(call)

    async with town(tmp_path, "fan_out_merge", answering=answering) as here:
        assert (await here.deliver("fan_out_merge", "change-me-fan-out")).status_code == 500


def at_once(events: Iterable[AnyEvent]) -> int:
    """The largest number of attempts that were under way together."""
    steps = (isinstance(event, TaskStarted) - isinstance(event, TaskReturned) for event in events)
    return max(accumulate(steps))


@runs("order_lines")
async def test_every_line_is_reserved(tmp_path: Path) -> None:
    """
    One request for each line with a key of its own, three at a time; the answers are merged in the lines' order.
    """

    def answering(call: Call) -> Reply:
        return Reply({"reservation": f"R-{call.json['line']['sku']}"})

    lines = [{"sku": f"B-{number}", "quantity": number} for number in range(1, 6)]
    async with town(tmp_path, "order_lines", answering=answering) as here:
        answer = await here.deliver("order_lines", "change-me-order", {"order": "A-17", "lines": lines})
        assert answer.json() == {
            "order": "A-17",
            "reservations": [{**line, "reservation": f"R-{line['sku']}"} for line in lines],
        }
        calls = here.outside.of("warehouse")
        sent = sorted((call.json for call in calls), key=lambda sent: sent["line"]["sku"])
        assert sent == [{"order": "A-17", "line": line} for line in lines]
        assert {call.headers["content-type"] for call in calls} == {"application/json"}
        assert len({call.headers["idempotency-key"] for call in calls}) == len(lines)
        (execution,) = here.started("order_lines")
        assert at_once(here.site.events(execution)) == 3
        nothing = await here.deliver("order_lines", "change-me-order", {"order": "A-18", "lines": []})
        assert nothing.json() == {"order": "A-18", "reservations": []}


@runs("poll_until_ready")
async def test_a_job_is_asked_until_it_is_done(tmp_path: Path) -> None:
    """
    The job is started once and looked at until it says done; its last answer is the result.
    """
    left = iter(["running", "running", "done"])

    def answering(call: Call) -> Reply:
        return Reply({"status": "accepted"}) if call.method == "POST" else Reply({"status": next(left)})

    async with town(tmp_path, "poll_until_ready", answering=answering, poll_interval="PT0.01S") as here:
        execution = (await here.deliver("poll_until_ready", "change-me-poll", {"job": 7})).json()["id"]
        state = await here.reached(execution, "SUCCESS", "FAILED")
        assert state.outputs == {"result": {"status": "done"}, "looked": 3}
        assert [call.method for call in here.outside.of("job")] == ["POST", "GET", "GET", "GET"]
        assert here.outside.of("job")[0].json == {"job": 7}


@runs("alert_on_failure")
async def test_a_failure_anywhere_raises_the_alert(tmp_path: Path) -> None:
    """
    An execution of the namespace that failed is reported once with its id; one that succeeded is not.
    """
    webhook = "triggers: [{id: w, type: io.kestra.plugin.core.trigger.Webhook, key: k}]"
    broken = f"""
id: broken
namespace: company.team
tasks: [{{id: fail, type: io.kestra.plugin.core.execution.Fail, condition: "{{{{ trigger.body.fail }}}}"}}]
{webhook}
"""
    async with town(tmp_path, "alert_on_failure", flows={"broken": broken}) as here:
        good = (await here.deliver("broken", "k", {"fail": False})).json()["id"]
        bad = (await here.deliver("broken", "k", {"fail": True})).json()["id"]
        await here.site.until(lambda: bool(here.started("alert_on_failure")))
        (alert,) = here.started("alert_on_failure")
        await here.reached(alert, "SUCCESS")
        await here.reached(good, "SUCCESS")
        (call,) = here.outside.of("alert")
        assert call.json == {"summary": "company.team/broken revision 1 is FAILED", "execution": bad}


def message(what: str) -> bytes:
    """A delivery of Meta's."""
    return f'{{"entry":[{{"changes":[{{"value":{{{what}}}}}]}}]}}'.encode()


@runs("whatsapp_messages")
async def test_meta_is_answered(tmp_path: Path) -> None:
    """
    The challenge comes back as text/plain, only to who knows the token; a message is replied to, a receipt is not.
    """
    name, key = "whatsapp_messages", "change-me-whatsapp"
    asked = {"hub.mode": "subscribe", "hub.challenge": "1158"}
    async with town(tmp_path, name) as here:
        url = f"{HOOK}/company.team/{name}/{key}"
        agreed = await here.site.client.get(url, params=asked | {"hub.verify_token": SECRETS["META_VERIFY"]})
        assert (agreed.status_code, agreed.text) == (200, "1158")
        assert agreed.headers["content-type"].startswith("text/plain")
        stranger = await here.site.client.get(url, params=asked | {"hub.verify_token": "guessed"})
        assert stranger.status_code == 403
        assert not here.site.executions()
        body = message('"messages":[{"from":"4915112345678"}]')
        answer = await here.deliver(name, key, body, headers=signed("META", SECRETS["META"], body, 0))
        await here.reached(answer.json()["id"], "SUCCESS")
        (call,) = here.outside.of("whatsapp")
        assert call.headers["authorization"] == f"Bearer {SECRETS['META_TOKEN']}"
        assert call.json["to"] == "4915112345678"
        assert SECRETS["META_TOKEN"].encode() not in here.site.journal_bytes()
        receipt = message('"statuses":[{"status":"read"}]')
        ignored = await here.deliver(name, key, receipt, headers=signed("META", SECRETS["META"], receipt, 0))
        assert ignored.status_code == 204


class TrioClock:
    """Wall time that follows trio's clock, which `autojump_clock` moves."""

    def now(self) -> int:
        return EPOCH_US + int(trio.current_time() * 1_000_000)


@asynccontextmanager
async def engine(http: FakeHttp, *names: str) -> AsyncGenerator[tuple[Engine, MemoryStore]]:
    """An engine with examples on virtual time."""
    store = MemoryStore()
    environs = environment(http.outside, *names)
    ports = Ports(clock=TrioClock(), environment=environs, services={"http": http})
    async with Engine.open(store, ports=ports) as opened:
        for name in names:
            await opened.register(source(name))
        yield opened, store


@runs("retry_then_alert")
async def test_a_service_that_comes_back_is_not_alerted_of(autojump_clock: MockClock) -> None:
    """
    The order is tried again after 5, 15 and 45 seconds; once it went through nobody is bothered.
    """
    times: list[float] = []

    def answering(call: Call) -> Reply:
        times.append(trio.current_time())
        return Reply(status=200 if len(times) == 4 else 503)

    http = FakeHttp(answering)
    async with engine(http, "retry_then_alert") as (opened, _):
        execution = await opened.trigger(
            "company.team", "retry_then_alert", variables={"body": {"order": "A-17"}}
        )
        assert (await execution.finished()).status == "SUCCESS"
    assert [round(after - before) for before, after in pairwise(times)] == [5, 15, 45]
    assert [call.json for call in http.outside.of("erp")] == [{"order": "A-17"}] * 4
    assert not http.outside.of("alert")


async def test_a_service_that_stays_silent_raises_the_alert(autojump_clock: MockClock) -> None:
    """
    Five attempts of half a minute each, then one alert, and the execution has failed.
    """

    def answering(call: Call) -> Reply:
        return Reply(silent=call.path == "/erp")

    http = FakeHttp(answering)
    async with engine(http, "retry_then_alert") as (opened, _):
        execution = await opened.trigger(
            "company.team", "retry_then_alert", variables={"body": {"order": "A-17"}}
        )
        assert (await execution.finished()).status == "FAILED"
    assert len(http.outside.of("erp")) == 5
    assert round(trio.current_time()) == 5 * 30 + 5 + 15 + 45 + 120
    (alert,) = http.outside.of("alert")
    assert alert.json == {
        "summary": "order A-17 could not be handed over",
        "execution": execution.id,
    }


@runs("nightly_report", "daily_figures")
async def test_the_report_comes_every_morning(autojump_clock: MockClock) -> None:
    """
    At six in Berlin, every day, the subflow is asked for the day before and its total goes to the room.
    """
    http = FakeHttp()
    async with engine(http, "nightly_report", "daily_figures") as (opened, store):
        await trio.sleep(2 * 24 * 3600)
        reports = started(store, "nightly_report")
        states = [await (await opened.attach(report)).finished() for report in reports]
    assert [state.status for state in states] == ["SUCCESS", "SUCCESS"]
    assert [(state.received.at - EPOCH_US) / 3_600_000_000 for state in states if state.received] == [5, 29]
    assert [call.query["day"] for call in http.outside.of("figures")] == [["2025-12-31"], ["2026-01-01"]]
    assert [call.json["text"] for call in http.outside.of("chat")] == ["2025-12-31: 42.0", "2026-01-01: 42.0"]
