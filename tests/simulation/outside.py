"""What stands beyond the network and the shell: a service that knows idempotency keys, and a machine's commands.

Both are ports, so what is exercised is the tasks' own policy; the real client and real processes have tests of
their own. A request says who makes it: `X-Task`, or the variable TASK, holds execution and path.
"""

import shlex
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import trio

from hookledger.runtime.tasks.base import Effect as EffectClass
from hookledger.runtime.tasks.base import TaskFailed
from hookledger.runtime.tasks.http.port import HttpAnswer, HttpRequest
from hookledger.runtime.tasks.process import ProcessRequest, Tell
from tests.simulation.probes import Outside

SECONDS: Final = 1.0
"""How long the service and the commands take."""
EFFECTS: Final[Mapping[str, EffectClass]] = {"GET": "read", "PUT": "idempotent", "POST": "write"}


class Answer:
    """An answer that has arrived whole; implements `HttpAnswer`."""

    def __init__(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.status = status
        self.headers = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        self._left = body

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        piece, self._left = self._left[:16], self._left[16:]
        return piece

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


class SimHttp:
    """Implements `HttpPort`: one service, whose path says how it behaves."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    async def send(self, request: HttpRequest) -> HttpAnswer:
        headers = {name.lower(): value for name, value in request.headers}
        name = request.uri.partition("://")[2].partition("/")[2].partition("?")[0]
        attempt = await act(
            self._outside, headers["x-task"], EFFECTS[request.method], headers.get("x-effect")
        )
        return await _BEHAVIOURS[name](self._outside, request, headers.get("idempotency-key", ""), attempt)


class SimProcesses:
    """Implements `Processes`: a shell that knows `echo`, `sleep`, `exit` and `unless-attempt N COMMAND...`."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    async def run(self, request: ProcessRequest, tell: Tell) -> int:
        attempt = await act(self._outside, request.environment["TASK"], "write")
        for line in request.arguments[-1].splitlines():
            words = shlex.split(line)
            if words[0] == "unless-attempt":
                words = words[2:] if attempt != int(words[1]) else ["set"]
            if words[0] == "exit":
                return int(words[1])
            if words[0] == "sleep":
                await trio.sleep(float(words[1]))
            if words[0] == "echo":
                tell("stderr" if words[-1] == ">&2" else "stdout", " ".join(words[1:]).removesuffix(" >&2"))
        return 0


async def act(outside: Outside, task: str, effect: EffectClass, declared: str | None = None) -> int:
    """Take effect for a task; returns the number of its attempt."""
    execution, path = task.split(":")
    attempt = outside.attempts(execution, path)
    known: Any = declared or effect
    await outside.act(f"{task}:{attempt}", known, SECONDS)
    return attempt


async def _orders(outside: Outside, request: HttpRequest, key: str, attempt: int) -> HttpAnswer:
    """An order is taken once for each idempotency key; whoever asks again gets the same answer."""
    await trio.lowlevel.checkpoint()
    return Answer(201, outside.orders.setdefault(key, request.body), content_type="application/json")


async def _lost(outside: Outside, request: HttpRequest, key: str, attempt: int) -> HttpAnswer:
    """The order is taken, but the first answer never arrives."""
    answer = await _orders(outside, request, key, attempt)
    if attempt == 1:
        raise TaskFailed("sim closed the connection", kind="BrokenAnswer")
    return answer


async def _silent(outside: Outside, request: HttpRequest, key: str, attempt: int) -> HttpAnswer:
    """Nothing comes."""
    await trio.sleep(3600)
    return Answer(200)


def _plain(status: int, body: bytes = b"", **headers: str) -> "Behaviour":
    async def answered(outside: Outside, request: HttpRequest, key: str, attempt: int) -> HttpAnswer:
        await trio.lowlevel.checkpoint()
        return Answer(status, body, **headers)

    return answered


Behaviour = Callable[[Outside, HttpRequest, str, int], Awaitable[HttpAnswer]]
_BEHAVIOURS: Final[Mapping[str, Behaviour]] = {
    "price": _plain(200, b'{"price": 12}', content_type="application/json"),
    "moved": _plain(307, location="/price"),
    "broken": _plain(503, b"not today", content_type="text/plain"),
    "huge": _plain(200, b"x" * 4096),
    "orders": _orders,
    "lost": _lost,
    "silent": _silent,
}
