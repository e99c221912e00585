"""Bugs somebody could make, each with the fast tests that must find it.

`before` stands in the file exactly once; whoever moves the code adapts it here (the run says where it is missing).
"""

from typing import Final

import msgspec

SEEDS: Final = ("tests/simulation/test_seeds_0.py",)
SQLITE: Final = ("tests/journal/test_sqlite.py", "tests/journal/test_store.py")
QUEUES: Final = ("tests/actors/test_queues.py",)
OWNERS: Final = ("tests/actors/test_ownership.py",)
VERIFY: Final = ("tests/journal/test_verify.py", "tests/journal/test_verify_lives.py")


class Planted(msgspec.Struct, frozen=True, kw_only=True):
    """One bug."""

    name: str
    file: str
    before: str
    after: str = ""
    tests: tuple[str, ...] = SEEDS


PLANTED: Final = (
    Planted(
        name="the answer of a task leaves before its entry is durable",
        file="actors/handle.py",
        before="            await self._recorder.answer.durable()\n",
    ),
    Planted(
        name="an end is told before it is durable",
        file="actors/execution.py",
        before="        await ticket.durable()\n        self._vacate()\n",
        after="        self._vacate()\n",
    ),
    Planted(
        name="a delivery is accepted before it is durable",
        file="actors/handle.py",
        before="            await ticket.durable()\n            self._first",
        after="            self._first",
    ),
    Planted(
        name="a repeated delivery is answered before the first is durable",
        file="api/webhook/steps/deduplicate.py",
        before="            await execution.accepted()\n            self._note",
        after="            self._note",
    ),
    Planted(
        name="no follow-ups after a restart",
        file="actors/engine.py",
        before="        await _follow_up_again(self.journal, self.supervisor)\n",
    ),
    Planted(
        name="what an end starts is started again after a restart",
        file="actors/supervisor.py",
        before="            if await self.exists(execution_id):\n                return False\n",
        after="",
    ),
    Planted(
        name="a parent is not told of its child's end",
        file="actors/supervisor.py",
        before="            await self._tell_parent(execution, execution.final)\n",
    ),
    Planted(
        name="a retry begins at once",
        file="runtime/plan.py",
        before="        if self.now >= retry_at:\n",
        after="        if True:\n",
    ),
    Planted(
        name="a sleep is over at once after a restart",
        file="runtime/tasks/flow/waits.py",
        before='        if planner.now >= due:\n            return Progress(commands=(FireTimer(path=path, due=due),))\n        return Progress(commands=(AwaitTime(path=path, due=due, reason="sleep"),))\n',
        after="        return Progress(commands=(FireTimer(path=path, due=due),))\n",
    ),
    Planted(
        name="a sleep begins anew after a restart",
        file="actors/recorder.py",
        before="        recorder = cls(journal, execution, before=history.state, clock=clock)\n",
        after="""        from msgspec.structs import replace
        recorder = cls(journal, execution, before=replace(history.state, timers={}), clock=clock)
""",
    ),
    Planted(
        name="nobody wakes what sleeps",
        file="actors/supervisor.py",
        before="            self._timers.set(execution.id, rest.due, actor.recorder.clock)\n",
        after="            pass\n",
        tests=("tests/actors/test_supervision.py", *SEEDS),
    ),
    Planted(
        name="waits follow the wall clock",
        file="actors/clock.py",
        before="        return self._offset + elapsed(self._clock)\n",
        after="        return self._clock.now()\n",
    ),
    Planted(
        name="queued executions all begin after a restart",
        file="actors/supervisor.py",
        before="        elif state.queued and not placed:\n            self._park(execution, flow, recorder, history.queued_at)\n"
        '        elif placeless and self._gate.ask(flow) != "run":\n',
        after="        elif False:\n",
        tests=QUEUES,
    ),
    Planted(
        name="a killed execution keeps its place",
        file="actors/execution.py",
        before="        self._vacate()\n",
        after="        if self._recorder.state.status != 'KILLED':\n            self._vacate()\n",
        tests=QUEUES,
    ),
    Planted(
        name="one more than the limit runs",
        file="actors/concurrency.py",
        before="        if not line.queued and len(line.placed) < line.limit:\n",
        after="        if not line.queued and len(line.placed) <= line.limit:\n",
    ),
    Planted(
        name="who comes last goes first",
        file="actors/concurrency.py",
        before="            _, execution = line.queued.pop(0)\n",
        after="            _, execution = line.queued.pop()\n",
    ),
    Planted(
        name="a restart goes past the limit",
        file="actors/supervisor.py",
        before='        verdict = self._gate.ask(flow)\n        if verdict in ("CANCEL", "FAIL"):\n            raise CommandRefused(',
        after='        verdict = \'run\'\n        if verdict in ("CANCEL", "FAIL"):\n            raise CommandRefused(',
    ),
    Planted(
        name="a command to an ending actor is lost",
        file="actors/execution.py",
        before="                message.settle(None, ActorGone())\n        self._inbox.close()\n",
        after="                message.settle(None)\n        self._inbox.close()\n",
        tests=OWNERS,
    ),
    Planted(
        name="a command is answered before it is durable",
        file="actors/execution.py",
        before="        if self._ticket is not None:\n            await self._ticket.durable()\n",
        after="",
    ),
    Planted(
        name="a command at rest needs no ownership",
        file="actors/supervisor.py",
        before="                async with self._ownership.of(execution_id):\n                    if execution_id not in self._actors:\n",
        after="                if True:\n                    if execution_id not in self._actors:\n",
    ),
    Planted(
        name="a key that is being decided on is free",
        file="actors/claims.py",
        before="            if held is not None and held.expires > now:\n",
        after="            if False:\n",
    ),
    Planted(
        name="a stored key is free",
        file="actors/claims.py",
        before="        if stored is not None and stored.expires > now:\n",
        after="        if False:\n",
    ),
    Planted(
        name="an effect comes before its beginning is durable",
        file="actors/attempts.py",
        before='            if kind.effect_of() != "pure":\n',
        after="            if False:\n",
    ),
    Planted(
        name="a child begins before its promise is durable",
        file="actors/structure.py",
        before="    bench.record(lambda sequence, at: _at(started, sequence, at))\n    await bench.recorder.barrier()\n",
        after="    bench.record(lambda sequence, at: _at(started, sequence, at))\n",
        tests=OWNERS,
    ),
    Planted(
        name="a write is done again after a crash",
        file="actors/attempts.py",
        before='        elif begun.effect == "write" and not self._may_rerun(resumed):\n',
        after="        elif False:\n",
    ),
    Planted(
        name="recovery takes up one page only",
        file="actors/supervisor.py",
        before="        if len(rows) < RECOVERY_PAGE:\n",
        after="        if True:\n",
        tests=("tests/simulation/test_sleepers.py",),
    ),
    Planted(
        name="commits are not flushed",
        file="journal/sqlite/files.py",
        before='    "synchronous": 2,',
        after='    "synchronous": 1,',
        tests=("tests/system/test_durability.py", *SQLITE),
    ),
    Planted(
        name="a poisoned journal goes on",
        file="journal/journal.py",
        before="        if self.poison:\n            raise self.failure()\n",
        tests=("tests/journal/test_journal.py", *SEEDS),
    ),
    Planted(
        name="outputs keep their secrets",
        file="actors/attempts.py",
        before="outputs=bench.masker.data(dict(ended.outputs)),",
        after="outputs=dict(ended.outputs),",
        tests=("tests/actors/test_secrets.py",),
    ),
    Planted(
        name="verify does not compare leaves",
        file="journal/verify/structure.py",
        before="    if leaf_hash(row.header) != row.leaf:\n",
        after="    if False:\n",
        tests=VERIFY,
    ),
    Planted(
        name="verify does not compare payloads",
        file="journal/verify/structure.py",
        before="    if payload_hash(row.salt, row.payload) != header.ph:\n",
        after="    if False:\n",
        tests=VERIFY,
    ),
    Planted(
        name="verify does not follow chains",
        file="journal/verify/structure.py",
        before="        if header.prev not in self._leaves:\n",
        after="        if False:\n",
        tests=VERIFY,
    ),
)
