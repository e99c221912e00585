"""Senders, operators and a clock beside an engine that dies and comes back.

Deliveries go through the webhook handler, so that keys, answers and receipts are what a sender would see. What was
told to whom is kept outside the engine and compared with the disk at once and at the end.
"""

import random
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec
import trio
import trio.testing

from hookledger.actors import CommandRefused, Engine, Kill, Note, Pause, Restart, Resume, SetLabels
from hookledger.actors.operators import OperatorCommand
from hookledger.api.http import HttpRequest
from hookledger.api.webhook.handler import WebhookHandler, WebhookLimits
from hookledger.journal.errors import JournalPoisoned
from hookledger.journal.store import Query
from tests.simulation.faults import Crash, Faults, survived
from tests.simulation.flows import NAMESPACE
from tests.simulation.scheduling import run_seeded
from tests.simulation.world import Told, World

PATIENCE_SECONDS: Final = 5_000
"""Virtual: what has not ended by then waits for something nobody will do."""
BUSY_SECONDS: Final = 100
"""After that the operator looks in less often."""
LIMITS: Final = WebhookLimits(body_bytes_max=1000, wait_seconds_max=30)


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery; several with one key are repetitions."""

    number: int
    flow: str
    key: str
    at: float


class Whim(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator does, all of it at once."""

    at: float
    commands: tuple[str, ...]
    together: bool
    """All to one execution."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run, without its outcome."""

    sources: tuple[str, ...]
    faults: Faults
    sendings: tuple[Sending, ...]
    whims: tuple[Whim, ...]
    stops: tuple[float, ...] = ()
    """When a process is stopped in good order and the next one begins; seconds."""


MAKE: Final[dict[str, Callable[[str], OperatorCommand]]] = {
    "kill": lambda by: Kill(by=by, reason="a whim"),
    "pause": lambda by: Pause(by=by),
    "resume": lambda by: Resume(by=by),
    "restart": lambda by: Restart(by=by, reason="a whim"),
    "note": lambda by: Note(by=by, text="looked at it"),
    "labels": lambda by: SetLabels(by=by, labels={"seen": by}),
}
"""Every command names its own principal, so that it can be found in the journal."""


class Traffic:
    """Plays a plan in a world."""

    def __init__(self, world: World, plan: Plan) -> None:
        self.world = world
        self.plan = plan
        self._chance = random.Random(f"{world.seed}:traffic")
        self._unsent = {sending.number: sending for sending in plan.sendings}
        self._whims = list(plan.whims)
        self._steps = list(plan.faults.clock_steps)
        self._stops = list(plan.stops)
        self._seen: dict[tuple[str, str, int], float] = {}
        """When the operator first saw each pause."""

    def run(self) -> World:
        """Play until all is sent and said and nothing is open."""
        run_seeded(f"{self.world.seed}:scheduler", self._lives)
        return self.world

    async def _lives(self) -> None:
        with trio.move_on_after(PATIENCE_SECONDS) as patience:
            while True:
                done = False
                with survived(self.world.fate, JournalPoisoned):
                    done = await self._life()
                if done:
                    break
        assert not patience.cancelled_caught, f"still open: {self.world.open()}"
        await self._nothing_moves()

    async def _life(self) -> bool:
        """One process; True when everything has come to its end."""
        done = False
        async with self.world.life(*self.plan.sources) as engine, trio.open_nursery() as nursery:
            handler = WebhookHandler(engine, LIMITS)
            nursery.start_soon(handler.run)
            nursery.start_soon(self._operate, engine)
            nursery.start_soon(self._set_clock)
            nursery.start_soon(self._stop, nursery.cancel_scope)
            async with trio.open_nursery() as busy:
                for sending in self._unsent.values():
                    busy.start_soon(self._send, handler, sending)
                busy.start_soon(self._indulge, engine)
            await self._settled(engine)
            done = True
            nursery.cancel_scope.cancel()
        return done

    async def _settled(self, engine: Engine) -> None:
        """Until nothing is open, and nothing new is a while later: what an end starts has to reach the disk first."""
        while await self._open(engine) or await self._open(engine, self.world.slack):  # noqa: ASYNC110
            await trio.sleep(5)

    async def _stop(self, process: trio.CancelScope) -> None:
        if self._stops:
            await trio.sleep(max(0.0, min(self._stops) - trio.current_time()))
            self._stops.remove(min(self._stops))
            process.cancel()

    async def _nothing_moves(self) -> None:
        """A further process finds nothing to do: it writes no word on any execution."""
        self.world.fate.calm()
        before = self.world.executions()
        async with self.world.life() as engine:
            await trio.sleep(100)
            assert not await self._open(engine)
        assert self.world.executions() == before, (
            "a process that only started wrote on executions that had ended"
        )

    async def _open(self, engine: Engine, after: float = 0.0) -> int:
        await trio.sleep(after)
        await trio.testing.wait_all_tasks_blocked()  # what an end starts is there only when its entry is
        return (await engine.journal.ask(lambda reader: reader.rows(Query(open=True))))[1]

    async def _send(self, handler: WebhookHandler, sending: Sending) -> None:
        """A sender without an answer delivers again, as does one that is told to come later."""
        await trio.sleep(max(0.0, sending.at - trio.current_time()))
        while sending.number in self._unsent:
            self.world.sent[sending.number] = self.world.sent.get(sending.number, 0) + 1
            request = HttpRequest(
                method="POST",
                raw_path=f"/api/v1/main/executions/webhook/{NAMESPACE}/{sending.flow}/k",
                raw_query=f"marker={sending.number}",
                headers=(("Idempotency-Key", sending.key),),
                body=_body(sending.key),
                peer="192.0.2.1",
            )
            response = await handler.handle(request)
            if self.world.answered(sending.number, sending.flow, sending.key, response):
                del self._unsent[sending.number]
            else:
                await trio.sleep(1)

    async def _set_clock(self) -> None:
        while self._steps:
            at, by = min(self._steps)
            await trio.sleep(max(0.0, at - trio.current_time()))
            self._steps.remove((at, by))
            self.world.clock.offset += round(by * 1_000_000)

    async def _operate(self, engine: Engine) -> None:
        """Every second: each open execution says why, and what waits for a person gets an answer in time."""
        while True:
            await trio.sleep(1 if trio.current_time() < BUSY_SECONDS else 10)
            rows, _ = await engine.journal.ask(lambda reader: reader.rows(Query(open=True, limit=1000)))
            for row in rows:
                assert row.waits, f"{row.execution} is {row.state} and says not what it waits for"
                if row.waits in ("PAUSED", "IN_DOUBT"):
                    await self._attend(engine, row.execution)

    async def _attend(self, engine: Engine, execution: str) -> None:
        state = await engine.replay(execution)
        for path, pause in sorted(state.pauses.items()):
            waited = trio.current_time() - self._seen.setdefault(
                (execution, path, pause.sequence), trio.current_time()
            )
            choice = (
                self._chance.choice(["rerun", "rerun", "accept", "fail"])
                if pause.reason == "in_doubt"
                else ""
            )
            if waited < 10 or (pause.reason == "task" and self._chance.random() < 0.9):
                continue
            try:
                await engine.command(execution, Resume(by="user:operator", path=path, choice=choice))
            except CommandRefused:
                continue  # somebody else was faster

    async def _indulge(self, engine: Engine) -> None:
        async with trio.open_nursery() as nursery:
            for whim in sorted(self._whims, key=lambda whim: whim.at):
                await trio.sleep(max(0.0, whim.at - trio.current_time()))
                rows, _ = await engine.journal.ask(lambda reader: reader.rows(Query(limit=100)))
                self._whims.remove(whim)
                one = self._chance.choice(rows) if rows else None
                for name in whim.commands if one else ():
                    target = one if whim.together else self._chance.choice(rows)
                    assert target is not None
                    nursery.start_soon(self._give, engine, target.execution, name)

    async def _give(self, engine: Engine, execution: str, name: str) -> None:
        told = Told(execution=execution, command=name, by=f"user:w{len(self.world.told)}")
        self.world.told.append(told)
        try:
            await engine.command(execution, MAKE[name](told.by))
        except CommandRefused:
            told.outcome = "refused"
            return
        if self.world.fate.dead:
            raise Crash("nobody is there to answer")
        told.outcome = "done"
        told.durable = bool(self.world.recorded(told)) or name == "kill"


async def _body(text: str) -> AsyncIterator[bytes]:
    yield text.encode()
