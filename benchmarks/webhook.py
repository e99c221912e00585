"""How fast webhooks are answered, beside a bare quart-trio hello world on the same Hypercorn in the same run.

    python benchmarks/webhook.py [--seconds 3]

Three processes: the server under test, the hello world, and the load generator (this one), which speaks raw
HTTP/1.1 over kept-alive connections and measures nothing but its own sockets. Loopback only.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import trio

FLOW = """
id: {name}
namespace: bench
tasks:
  - id: make_payload
    type: io.kestra.plugin.core.debug.Return
    format: "Hello {{{{ trigger.parameters.name[0] ?? 'world' }}}}!"
outputs:
  - id: greeting
    type: STRING
    value: "{{{{ outputs.make_payload.value }}}}"
triggers:
  - id: webhook
    type: io.kestra.plugin.core.trigger.Webhook
    key: bench
{more}
"""
HELLO = """
import trio
from hypercorn.trio import serve
from quart_trio import QuartTrio
from hookledger.api.config import load_config
from hookledger.api.serve import hypercorn_config

app = QuartTrio(__name__)

@app.route("/")
async def hello():
    return "Hello world!"

async def main():
    config = hypercorn_config(load_config(environment={}))
    config.bind = ["127.0.0.1:0"]
    async with trio.open_nursery() as nursery:
        print((await nursery.start(lambda task_status: serve(
            app, config, mode="asgi", shutdown_trigger=trio.sleep_forever, task_status=task_status)))[0], flush=True)

trio.run(main)
"""
HOOK = "/api/v1/main/executions/webhook/bench"


class Figures:
    """What one run of the load measured."""

    def __init__(self, latencies: list[float], seconds: float) -> None:
        latencies.sort()
        self.rate = len(latencies) / seconds
        self.p50 = latencies[len(latencies) // 2] * 1000
        self.p99 = latencies[len(latencies) * 99 // 100] * 1000

    def __str__(self) -> str:
        return f"{self.rate:8.0f} {self.p50:8.2f} {self.p99:8.2f}"


async def load(port: int, path: str, connections: int, seconds: float) -> Figures:
    """Ask on every connection as fast as answers come; the first fifth of the time is not counted."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    began = time.perf_counter()
    counted, end = began + seconds / 5, began + seconds * 6 / 5
    latencies: list[float] = []

    async def ask() -> None:
        while time.perf_counter() < end:  # Hypercorn closes a connection after a thousand requests
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                closing = False
                while not closing and (sent := time.perf_counter()) < end:
                    await stream.send_all(request)
                    closing = await read_answer(stream)
                    if sent >= counted:
                        latencies.append(time.perf_counter() - sent)

    async with trio.open_nursery() as nursery:
        for _ in range(connections):
            nursery.start_soon(ask)
    return Figures(latencies, seconds)


async def read_answer(stream: trio.SocketStream) -> bool:
    """Read exactly one answer; anything but 200 ends the benchmark. True when the server will close."""
    data = bytearray()
    while (head := data.find(b"\r\n\r\n")) < 0:
        data += await received(stream)
    if not data.startswith(b"HTTP/1.1 200"):
        raise SystemExit(data.decode(errors="replace"))
    at = data.lower().index(b"content-length:") + len(b"content-length:")
    length = int(data[at : data.index(b"\r\n", at)])
    while len(data) < head + 4 + length:
        data += await received(stream)
    return b"connection: close" in data[:head].lower()


async def received(stream: trio.SocketStream) -> bytes:
    """The next bytes; a server that hangs up ends the benchmark."""
    chunk = await stream.receive_some(65536)
    if not chunk:
        raise SystemExit("the server closed the connection")
    return bytes(chunk)


@contextmanager
def process(*arguments: str) -> Generator[int]:
    """Run a server; yields the port from the first line of its output that names one."""
    running = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        line = next(line for line in running.stdout if "http://127.0.0.1:" in line)
        yield int(line.split("http://127.0.0.1:")[1].split()[0].split("/")[0])
    finally:
        running.kill()
        running.communicate()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=3.0, help="per row")
    seconds: float = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as directory:
        flows = Path(directory) / "flows"
        flows.mkdir()
        (flows / "go.yaml").write_text(FLOW.format(name="go", more=""))
        (flows / "wait.yaml").write_text(
            FLOW.format(name="wait", more="    wait: true\n    returnOutputs: true")
        )
        command = "from hookledger.api.cli import main; main()"
        serve = ("-c", command, "serve", str(flows), "--data", f"{directory}/data", "--port", "0")
        with process(*serve) as port, process("-c", HELLO) as bare:
            print("                          webhook                     hello world           ratio")
            print("connections  mode    req/s  p50 ms  p99 ms       req/s  p50 ms  p99 ms    req/s")
            for connections in (1, 16, 64):
                hello = trio.run(load, bare, "/", connections, seconds)
                for name in ("go", "wait"):
                    ours = trio.run(load, port, f"{HOOK}/{name}/bench?name=Alice", connections, seconds)
                    ratio = ours.rate / hello.rate
                    print(f"{connections:11}  {name:4} {ours}    {hello}     {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
