"""What a stranger can cost: bombs, large bodies, slow and deaf clients, and how others are served meanwhile.

Run: python benchmarks/hostile.py [--connections N] [--json FILE]

A server runs in a process of its own with an idle timeout of 5 s. Each row shows the answers, how long it took, how
far the server's memory rose above what it had before (its peak, Linux only), the slowest of the ordinary deliveries
that were sent meanwhile, one every 50 ms, and of `/health`, asked as often, and the processor time of the server. The
first row is the yardstick.
Exit code 1 when an answer is not the expected one, `/health` took over 0.5 s, a delivery over 5 s, or memory rose by
more than 64 MiB (bodies that are parsed, and what clients get back, may cost more). `--connections` stays below
`webhook.maxPending` (1000): more senders with the right key who are still sending are answered with 503, and so is
everybody else for that time.
"""

import argparse
import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import httpx
import trio

HOOK = "/api/v1/main/executions/webhook/t"
IDLE_SECONDS = 5
MEMORY_MIB_MAX = 64
PARSED_MIB_MAX = 800
HEALTH_SECONDS_MAX = 0.5
MIB = 2**20
SECRET = b"a secret of the sender"
FLOWS = {
    "plain": "",
    "store": f"fetchType: STORE\n    signature: {{preset: GITHUB, secret: {SECRET.decode()}}}",
    "charset": "charset: UTF-8",
    "redacted": "redact: {pointers: [/card]}",
    "unique": "schema: {uniqueItems: true}",
    "pattern": "schema: {items: {pattern: '(x+x+)+y'}}",
    "strict": "strictJson: true",
    "loops": 'when: "{% for i in 1..999 %}{% for j in 1..999 %}{% set x = i %}{% endfor %}{% endfor %}1"',
    "texts": "when: \"{% for i in 1..999 %}{% if trigger.body.toUpperCase() == '' %}{% endif %}{% endfor %}1\"",
    "jq": "when: \"{{ {} | jq('reduce range(60) as $i ([1]; [., .]) | tojson | length') }}\"",
    "title": "when: \"{% for i in 1..999 %}{% if trigger.body | title == '' %}{% endif %}{% endfor %}1\"",
    "ion": 'when: "{% for i in 1..999 %}{% set x = fromIon(trigger.body) %}{% endfor %}1"',
    "large": "wait: true\n    returnOutputs: true\n    responseContentType: text/plain",
}
FLOW = """id: {name}
namespace: t
tasks:
  - {{id: out, type: io.kestra.plugin.core.debug.Return, format: "{{{{ trigger.body ?? 'none' }}}}"}}
outputs:
  - {{id: said, type: STRING, value: "{{{{ outputs.out.value }}}}"}}
triggers:
  - id: w
    type: io.kestra.plugin.core.trigger.Webhook
    key: k
    {trigger}
"""
Answers = Counter[str]
Attack = Callable[["Target"], Awaitable[Answers]]


class Target:
    """The server under attack."""

    def __init__(self, process: "subprocess.Popen[str]", port: int, connections: int) -> None:
        self.process = process
        self.port = port
        self.connections = connections

    def memory_mib(self, name: str) -> float:
        """A value of the process in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{name}:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024

    def cpu_seconds(self) -> float:
        """What the process took of the processor so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def forget_peak(self) -> None:
        """Let the peak begin again at the present."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    async def status(self, head: str, body: AsyncIterator[bytes] | None = None) -> str:
        """Send a head and a chunked body; returns the status, or how it ended."""
        async with (
            await trio.open_tcp_stream("127.0.0.1", self.port) as stream,
            trio.open_nursery() as nursery,
        ):
            if body is not None:
                nursery.start_soon(send_chunks, stream, head, body)
            else:
                await stream.send_all(head.encode())
            answer = await first_bytes(stream)
            nursery.cancel_scope.cancel()
        return answer[9:12].decode() if answer else "closed"


async def first_bytes(stream: trio.SocketStream) -> bytes:
    """The beginning of an answer; empty when the connection ends without one."""
    try:
        return bytes(await stream.receive_some(4096))
    except trio.BrokenResourceError:
        return b""


async def send_chunks(stream: trio.SocketStream, head: str, body: AsyncIterator[bytes]) -> None:
    """Until somebody does not want any more."""
    try:
        await stream.send_all(head.encode())
        async for piece in body:
            await stream.send_all(b"%x\r\n%s\r\n" % (len(piece), piece))
        await stream.send_all(b"0\r\n\r\n")
    except trio.BrokenResourceError:
        return


def head_of(flow: str, *more: str) -> str:
    """Of a chunked request to a webhook."""
    return "\r\n".join(
        [f"POST {HOOK}/{flow}/k HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", *more, "", ""]
    )


async def nothing(target: Target) -> Answers:
    """Only the ordinary deliveries, for as long as the slow clients take."""
    await trio.sleep(IDLE_SECONDS)
    return Counter()


async def bomb(target: Target) -> Answers:
    """1 GiB of zeros in 1 MiB of gzip, to a webhook that keeps bodies in memory."""
    return Counter([await target.status(head_of("plain", "Content-Encoding: gzip"), gzip_bomb())])


async def gzip_bomb() -> AsyncIterator[bytes]:
    """Piece by piece."""
    machine = zlib.compressobj(9, wbits=31)
    for _ in range(1024):
        if piece := machine.compress(bytes(MIB)):
            yield piece
        await trio.lowlevel.checkpoint()
    yield machine.flush()


async def stored(target: Target) -> Answers:
    """200 MiB, signed, to a webhook that stores bodies."""
    piece = os.urandom(65_536)
    machine = hmac.new(SECRET, digestmod=hashlib.sha256)
    for _ in range(200 * 16):
        machine.update(piece)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(200 * 16):
            yield piece

    signed = f"X-Hub-Signature-256: sha256={machine.hexdigest()}"
    return Counter([await target.status(head_of("store", signed), pieces())])


async def together(target: Target, one: Callable[[], Awaitable[str]]) -> Answers:
    """The same from many connections at once."""
    answers: Answers = Counter()

    async def run() -> None:
        answers[await one()] += 1

    async with trio.open_nursery() as nursery:
        for _ in range(target.connections):
            nursery.start_soon(run)
    return answers


async def slow_heads(target: Target) -> Answers:
    """Heads of a byte a second that never end."""

    async def one() -> str:
        return await dripped(target, "GET /health HTTP/1.1\r\nX-Drip: ")

    return await together(target, one)


async def slow_bodies(target: Target) -> Answers:
    """Bodies of a byte a second, with the right key."""

    async def one() -> str:
        return await dripped(
            target, f"POST {HOOK}/plain/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
        )

    return await together(target, one)


async def dripped(target: Target, head: str) -> str:
    """Send a head and then a byte a second until an answer comes."""
    async with await trio.open_tcp_stream("127.0.0.1", target.port) as stream, trio.open_nursery() as nursery:

        async def drip() -> None:
            try:
                await stream.send_all(head.encode())
                while True:
                    await trio.sleep(1)
                    await stream.send_all(b"x")
            except trio.BrokenResourceError:
                return

        nursery.start_soon(drip)
        answer = await first_bytes(stream)
        nursery.cancel_scope.cancel()
    return answer[9:12].decode() if answer else "closed"


def posted(flow: str, body: Callable[[], bytes], content_type: str = "application/json") -> Attack:
    """One large body, all at once."""

    async def attack(target: "Target") -> Answers:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{target.port}", timeout=120) as client:
            sent = body()
            answer = await client.post(
                f"{HOOK}/{flow}/k", content=sent, headers={"Content-Type": content_type}
            )
        return Counter([str(answer.status_code)])

    return attack


def filled(piece: bytes, before: bytes = b"[", after: bytes = b"1]") -> Callable[[], bytes]:
    """As much of a piece as a body may have."""
    return lambda: before + piece * ((15 * MIB) // len(piece)) + after


def objects() -> bytes:
    """JSON as senders write it."""
    rows = ({"id": n, "name": "some name " * 4, "ok": True} for n in range(15 * MIB // 80))
    return json.dumps(list(rows)).encode()


def distinct() -> bytes:
    """Objects that are all different."""
    return json.dumps([{"a": n} for n in range(30_000)]).encode()


def with_card() -> bytes:
    """JSON of which a part is to be kept out of the records."""
    return b'{"card": 1, "rest": ' + objects() + b"}"


FILE: Final = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\na\r\n'


def ten(flow: str) -> Attack:
    """Ten deliveries at once."""
    one = posted(flow, lambda: b"{}")

    async def attack(target: Target) -> Answers:
        answers: Answers = Counter()

        async def run() -> None:
            answers.update(await one(target))

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(run)
        return answers

    return attack


async def echoed(target: Target) -> Answers:
    """Twenty clients that send 4 MiB each and take them back: what the next row has to be seen beside."""
    return await twenty(target, hears=True)


async def deaf(target: Target) -> Answers:
    """The same without reading."""
    return await twenty(target, hears=False)


async def twenty(target: Target, *, hears: bool) -> Answers:
    """4 MiB to a webhook that answers with them."""
    answers: Answers = Counter()

    async def one() -> None:
        socket = trio.socket.socket()
        socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 65_536 if hears else 4096)
        await socket.connect(("127.0.0.1", target.port))
        async with trio.SocketStream(socket) as stream:
            head = f"POST {HOOK}/large/k HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {4 * MIB}\r\n\r\n"
            await stream.send_all(head.encode() + b"x" * (4 * MIB))
            answers[await (taken(stream) if hears else refused(stream))] += 1

    with trio.move_on_after(IDLE_SECONDS * 6):
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(one)
    return answers


async def taken(stream: trio.SocketStream) -> str:
    """Read to the end."""
    whole = b"".join([piece async for piece in stream])
    return whole[9:12].decode() if len(whole) > 4 * MIB else "cut"


async def refused(stream: trio.SocketStream) -> str:
    """Read nothing; look now and then whether somebody is still there."""
    try:
        while True:
            await trio.sleep(0.5)
            await stream.send_all(b"x")
    except trio.BrokenResourceError:
        return "closed"


# name, what, the only answer there may be
ATTACKS: tuple[tuple[str, Attack, str], ...] = (
    ("nothing", nothing, ""), ("gzip bomb, 1 GiB", bomb, "413"), ("200 MiB stored", stored, "200"),
    ("dripping heads", slow_heads, "408"), ("dripping bodies", slow_bodies, "408"),
    ("punycode, 15 MiB", posted("charset", filled(b"a", b"", b""), "text/plain; charset=punycode"), "200"),
    ("no text, 15 MiB", posted("charset", filled(b"\x81", b"", b""), "text/plain; charset=windows-1252"), "200"),
    ("JSON, 15 MiB", posted("plain", objects), "200"), ("JSON, redacted", posted("redacted", with_card), "200"),
    ("JSON, numbers", posted("plain", filled(b"1,")), "200"), ("JSON, lists", posted("plain", filled(b"[],")), "413"),
    ("JSON, strict", posted("strict", objects), "200"), ("uniqueItems", posted("unique", distinct), "200"),
    ("a slow pattern", posted("pattern", lambda: json.dumps(["x" * 5000]).encode()), "422"),
    ("1000 files", posted("plain", filled(FILE, b"", b"--x--\r\n"), "multipart/form-data; boundary=x"), "413"),
    ("loops", posted("loops", lambda: b"{}"), "422"), ("long texts", posted("texts", filled(b"a", b"", b"")), "422"),
    ("title", posted("title", filled(b"some words ", b"", b""), "text/plain"), "422"),
    ("fromIon", posted("ion", filled(b"{a:1} ", b"", b"")), "422"),
    ("jq", posted("jq", lambda: b"{}"), "422"),
    ("ten templates", ten("loops"), "422"), ("ten times jq", ten("jq"), "422"),
    ("15 MiB echoed", posted("large", filled(b"\xc3\xa4", b"", b""), "text/plain"), "200"),
    ("20 x 4 MiB echoed", echoed, "200"), ("the same, deaf", deaf, "closed"),
)  # fmt: skip


async def probe(target: Target, times: list[float]) -> None:
    """An ordinary delivery every 50 ms."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{target.port}", timeout=60) as client:
        while True:
            began = time.perf_counter()
            assert (await client.post(f"{HOOK}/plain/k", json={"a": 1})).status_code == 200
            times.append(time.perf_counter() - began)
            await trio.sleep(0.05)


async def ask_health(target: Target, times: list[float]) -> None:
    """Whether it is alive, every 50 ms."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{target.port}", timeout=60) as client:
        while True:
            began = time.perf_counter()
            assert (await client.get("/health")).status_code == 200
            times.append(time.perf_counter() - began)
            await trio.sleep(0.05)


async def measure(target: Target) -> dict[str, dict[str, float | str | bool]]:
    """Attack after attack."""
    beside = 0.0
    found: dict[str, dict[str, float | str | bool]] = {}
    for name, attack, expected in ATTACKS:
        times: list[float] = []
        health: list[float] = []
        target.forget_peak()
        before, began, busy = target.memory_mib("VmRSS"), time.perf_counter(), target.cpu_seconds()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(probe, target, times)
            nursery.start_soon(ask_health, target, health)
            answers = await attack(target)
            nursery.cancel_scope.cancel()
        times.sort()
        spent, grown = time.perf_counter() - began, target.memory_mib("VmHWM") - before
        if attack is echoed:
            beside = grown  # bodies kept in memory and given back are no attack
        kept = attack in (nothing, bomb, stored, slow_heads, slow_bodies)  # the others parse what was sent
        allowed = MEMORY_MIB_MAX + (beside if attack in (echoed, deaf) else 0 if kept else PARSED_MIB_MAX)
        good = (
            set(answers) <= {expected}
            and grown < allowed
            and times[-1] < 5
            and max(health) < HEALTH_SECONDS_MAX
        )
        found[name] = {
            "answers": " ".join(f"{count} x {answer}" for answer, count in answers.items()) or "-",
            "seconds": spent, "memory MiB": grown, "p50 ms": times[len(times) // 2] * 1e3, "max ms": times[-1] * 1e3,
            "health ms": max(health) * 1e3, "CPU s": target.cpu_seconds() - busy,
            "good": good,
        }  # fmt: skip
    return found


def serve(directory: Path) -> tuple["subprocess.Popen[str]", int]:
    """Start the server."""
    (directory / "flows").mkdir()
    for name, trigger in FLOWS.items():
        (directory / "flows" / f"{name}.yaml").write_text(FLOW.format(name=name, trigger=trigger))
    command = [
        sys.executable,
        "-c",
        "from hookledger.api.cli import main; main()",
        "serve",
        str(directory / "flows"),
    ]
    process = subprocess.Popen(
        [*command, "--data", str(directory / "data"), "--port", "0"], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "HOOKLEDGER_IDLE_TIMEOUT": f"PT{IDLE_SECONDS}S"},
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
            return process, int(found[1])
    raise SystemExit("the server did not start")


def main() -> None:
    """Print the table; write it as JSON when asked."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--connections", type=int, default=300)
    options.add_argument("--json", type=Path)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        process, port = serve(Path(directory))
        try:
            found = trio.run(measure, Target(process, port, chosen.connections))
        finally:
            process.terminate()
            began = time.perf_counter()
            process.wait()
    print(
        f"{'':18}{'answers':>14}{'seconds':>10}{'memory MiB':>12}{'p50 ms':>9}{'max ms':>9}{'health ms':>11}"
        f"{'CPU s':>8}"
    )
    for name, row in found.items():
        columns = (
            ("seconds", 10),
            ("memory MiB", 12),
            ("p50 ms", 9),
            ("max ms", 9),
            ("health ms", 11),
            ("CPU s", 8),
        )
        figures = "".join(f"{row[column]:>{width}.1f}" for column, width in columns)
        print(f"{name:18}{row['answers']!s:>14}{figures}")
    print(f"ended in {time.perf_counter() - began:.1f} s")
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2))
    raise SystemExit(0 if all(row["good"] for row in found.values()) else 1)


if __name__ == "__main__":
    main()
