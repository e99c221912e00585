"""Mixed traffic for a server that is about to be killed: senders of all kinds and an operator beside them.

Everything that was acknowledged is written down here, and compared with the journal in `books.py`.
"""

import json
import random
from base64 import b64encode
from typing import Any, Final

import msgspec
import trio

NAMESPACE: Final = "io.tests"
HOOK: Final = f"/api/v1/main/executions/webhook/{NAMESPACE}"
USER: Final = ("operator", "a long pass phrase")
SENDERS: Final = 12
CORE: Final = "io.kestra.plugin.core"


def _flow(name: str, tasks: str, trigger: str = "", more: str = "") -> str:
    hook = f"triggers:\n  - id: hook\n    type: {CORE}.trigger.Webhook\n    key: k\n"
    lines = "".join(f"    {line}\n" for line in trigger.splitlines())
    return f"id: {name}\nnamespace: {NAMESPACE}\n{more}tasks:\n{tasks}{hook}{lines}"


_RETURN: Final = (
    f"  - {{id: out, type: {CORE}.debug.Return, format: \"{{{{ trigger.parameters.marker[0] ?? '' }}}}\"}}\n"
)
_OUTPUT: Final = 'outputs:\n  - {id: marker, type: STRING, value: "{{ outputs.out.value }}"}\n'
_AFTER: Final = (
    f"  - id: after\n    type: {CORE}.trigger.Flow\n    preconditions:\n      id: p\n"
    f"      flows: [{{namespace: {NAMESPACE}, flowId: parent}}]\n"
)


def _sleep(duration: str) -> str:
    return f"  - {{id: nap, type: {CORE}.flow.Sleep, duration: {duration}}}\n"


FLOWS: Final = {
    "waits": _flow("waits", _RETURN, "wait: true", _OUTPUT),
    "goes": _flow("goes", _RETURN, "", _OUTPUT),
    "sleeps": _flow("sleeps", _sleep("PT0.2S") + _RETURN, "", _OUTPUT),
    "retries": _flow(
        "retries",
        f"  - id: fails\n    type: {CORE}.debug.Return\n"
        '    format: "{{ taskrun.attemptsCount > 0 ? 1 : nothing.here }}"\n'
        "    retry: {type: constant, interval: PT0.1S, maxAttempts: 3}\n" + _RETURN,
        "wait: true",
        _OUTPUT,
    ),
    "once": _flow("once", _sleep("PT0.03S") + _RETURN, "wait: true\ndeduplication: {}", _OUTPUT),
    "queue": _flow(
        "queue", _sleep("PT0.01S"), "deduplication: {}", "concurrency: {limit: 1, behavior: QUEUE}\n"
    ),
    "pair": _flow("pair", _sleep("PT0.02S"), "", "concurrency: {limit: 2, behavior: QUEUE}\n"),
    "cap": _flow("cap", _sleep("PT0.05S"), "", "concurrency: {limit: 2, behavior: FAIL}\n"),
    "parent": _flow(
        "parent",
        f"  - {{id: call, type: {CORE}.flow.Subflow, namespace: {NAMESPACE}, flowId: child}}\n",
        "wait: true",
    ),
    "child": _flow("child", _sleep("PT0.02S")),
    "follows": _flow("follows", _sleep("PT0.01S")) + _AFTER,
}
SENT: Final = ("waits", "goes", "sleeps", "retries", "once", "queue", "queue", "pair", "cap", "parent")
COMMANDS: Final = ("kill", "pause", "resume", "restart", "note", "note", "labels")


class Acknowledged(msgspec.Struct, frozen=True):
    """A delivery that was answered."""

    flow: str
    marker: str
    key: str


class Commanded(msgspec.Struct, frozen=True):
    """A command that was answered with 200; `mark` is in what it left."""

    execution: str
    name: str
    mark: str


class Ledger:
    """What was acknowledged, over all servers of one journal."""

    def __init__(self) -> None:
        self.delivered: dict[str, list[Acknowledged]] = {}
        """By execution; several for a key that came again."""
        self.commanded: list[Commanded] = []
        self.tried: dict[str, int] = {}
        """How often each marker was sent."""
        self.owed: list[tuple[str, str, str]] = []
        """Deliveries with a key that nobody answered: flow, marker, key. They come again."""


class Round:
    """One server's traffic, until it is gone."""

    def __init__(self, ledger: Ledger, port: int, number: int, chance: random.Random, enough: int) -> None:
        self._ledger = ledger
        self._port = port
        self._number = number
        self._chance = chance
        self._enough = enough
        self._acknowledged = 0
        self._count = 0
        self.kill = trio.Event()
        """Set after `enough` acknowledgements."""

    async def run(self) -> None:
        """Send and command until the server does not answer."""
        async with trio.open_nursery() as nursery:
            for _ in range(SENDERS):
                nursery.start_soon(self._send)
            nursery.start_soon(self._operate)

    async def _send(self) -> None:
        while True:
            flow, marker, key = self._next()
            self._ledger.tried[marker] = self._ledger.tried.get(marker, 0) + 1
            answer = await self._exchange("POST", f"{HOOK}/{flow}/k?marker={marker}", key=key)
            if answer is None:
                if key:
                    self._ledger.owed.append((flow, marker, key))
                return
            status, body = answer
            if status == 503:
                continue
            assert status == 200 or (status == 500 and b"KILLED" not in body), (status, body)
            execution = _named(body)
            self._ledger.delivered.setdefault(execution, []).append(Acknowledged(flow, marker, key))
            self._acknowledged += 1
            if self._acknowledged >= self._enough:
                self.kill.set()

    def _next(self) -> tuple[str, str, str]:
        """A fresh delivery, or one with the key of one before."""
        if self._ledger.owed and self._chance.random() < 0.5:
            return self._ledger.owed.pop()
        self._count += 1
        flow = self._chance.choice(SENT)
        number = self._count
        if flow in ("once", "queue"):
            key = f"r{self._number}-{number - self._chance.choice([0, 0, 1, 2, 5])}"
            return flow, f"{flow}-{key}", key
        return flow, f"r{self._number}-{number}", ""

    async def _operate(self) -> None:
        """Commands, each now and then given twice at once."""
        while True:
            await trio.sleep(self._chance.uniform(0.005, 0.04))
            known = list(self._ledger.delivered)[-60:]
            if not known:
                continue
            execution, name = self._chance.choice(known), self._chance.choice(COMMANDS)
            async with trio.open_nursery() as nursery:
                for _ in range(self._chance.choice([1, 1, 2, 3])):
                    nursery.start_soon(self._command, execution, name, f"m{self._chance.randrange(10**12)}")
            if self._gone:
                return

    _gone = False

    async def _command(self, execution: str, name: str, mark: str) -> None:
        bodies: dict[str, Any] = {"note": {"text": mark}, "labels": {"labels": {"mark": mark}}}
        body = bodies.get(name, {"reason": mark} if name in ("kill", "restart") else {})
        method = "DELETE" if name == "kill" else "POST"
        path = f"/api/v1/main/executions/{execution}/actions/{name}"
        answer = await self._exchange(method, path, body=json.dumps(body).encode(), user=True)
        if answer is None:
            self._gone = True
        elif answer[0] == 200:
            self._ledger.commanded.append(Commanded(execution, name, mark))
        else:
            assert answer[0] in (404, 409, 503), answer

    async def _exchange(
        self, method: str, path: str, *, key: str = "", body: bytes = b"x", user: bool = False
    ) -> tuple[int, bytes] | None:
        return await exchange(self._port, method, path, key=key, body=body, user=user)


async def exchange(
    port: int, method: str, path: str, *, key: str = "", body: bytes = b"x", user: bool = False
) -> tuple[int, bytes] | None:
    """One request over a connection of its own; None when the server was gone before it had answered in full."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(body)}"]
    lines += [f"Idempotency-Key: {key}"] if key else []
    if user:
        lines += [f"Authorization: Basic {b64encode(':'.join(USER).encode()).decode()}"]
        lines += ["Content-Type: application/json"]
    answer = b""
    try:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all("\r\n".join([*lines, "", ""]).encode() + body)
            async for piece in stream:
                answer += piece
    except (OSError, trio.BrokenResourceError):
        return None
    head, _, content = answer.partition(b"\r\n\r\n")
    if not head or not _whole(head, content):
        return None
    return int(head.split()[1]), content


def _whole(head: bytes, content: bytes) -> bool:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(content) == int(line.partition(b":")[2])
    return content.endswith(b"0\r\n\r\n")


def _named(body: bytes) -> str:
    found = json.loads(body)
    return str(found.get("id") or found["executionId"])
