"""How long pages of the console take with 100,000 executions in the journal.

    python benchmarks/pages.py [--count 100000] [--rounds 15]

The real server with its real pages, in this process, asked over loopback by a client with a session, one page after
the other. The journal is that of `lists.py`; the server's clock stands at its end, so that "the last hour" is full.
What is measured is from the request's first byte to the answer's last one, the client's own work included: by the
clock, and by the processor time of the process, which says what a machine without other work would need.
"""

import argparse
import logging
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import httpx
import trio

sys.path.insert(0, str(Path(__file__).parent))

from lists import FLOWS, START, STEP, Ticking, fill, flow_of

from hookledger.actors import Ports
from hookledger.api.config import load_config
from hookledger.api.serve import serve

LIMIT_MS: Final = 100.0
FLOW: Final = """
id: {flow}
namespace: {namespace}
tasks:
  - {{id: make, type: io.kestra.plugin.core.debug.Return, format: hello}}
triggers:
  - {{id: webhook, type: io.kestra.plugin.core.trigger.Webhook, key: k}}
"""


def pages(count: int) -> dict[str, str]:
    """Name and path."""
    number = count // 2 + 1
    namespace, flow = flow_of(number)
    one = f"/ui/main/executions/{namespace}/{flow}/0VAt{number:018}"
    return {
        "dashboard, last hour": "/ui/main/",
        "dashboard, last day": "/ui/main/?window=day",
        "executions": "/ui/main/executions",
        "executions, FAILED": "/ui/main/executions?state=FAILED",
        "executions, label and namespace": "/ui/main/executions?label=team:team-3&namespace=company",
        "executions, text that is nowhere": "/ui/main/executions?text=nowhere",
        "executions, page 200": "/ui/main/executions?page=200",
        "flows": "/ui/main/flows",
        "execution": one,
        "execution, timeline": f"{one}/timeline",
        "execution, topology": f"{one}/topology",
        "execution, journal with proof": f"{one}/journal",
        "audit": "/ui/main/audit",
    }


async def measure(directory: Path, count: int, rounds: int) -> bool:
    """Serve, ask, print; returns whether the processor time of every page is below the limit."""
    clock = Ticking()
    clock.time = START + (count + 1) * STEP
    flags = {
        "data": str(directory / "data"), "flows": str(directory / "flows"), "server.port": 0,
        "auth.username": "bench", "auth.password": "bench password",
    }  # fmt: skip
    logging.getLogger("hookledger").setLevel(
        logging.CRITICAL
    )  # open executions of flows the journal never had
    shutdown, listening = trio.Event(), trio.Event()
    address: list[str] = []

    def say(line: str) -> None:
        if found := re.search(r"listens on (http://\S+)", line):
            address.append(found[1])
            listening.set()

    async with trio.open_nursery() as nursery:
        config = load_config(environment={}, flags=flags)
        nursery.start_soon(lambda: serve(config, shutdown=shutdown, say=say, ports=Ports(clock=clock)))
        await listening.wait()
        async with httpx.AsyncClient(base_url=address[0], timeout=60, trust_env=False) as client:
            await log_in(client)
            print(f"{'page':34} {'min':>8} {'median':>8} {'max':>8} {'cpu':>8} ms {'KiB':>7}")
            good = all([await page(client, name, path, rounds) for name, path in pages(count).items()])
        shutdown.set()
    return good


async def log_in(client: httpx.AsyncClient) -> None:
    """Get a session."""
    form = (await client.get("/ui/main/login")).text
    token = re.search(r'name="csrf" value="([^"]*)"', form)
    assert token
    fields = {"csrf": token[1], "user": "bench", "password": "bench password"}
    assert (await client.post("/ui/main/login", data=fields)).status_code == 303


async def page(client: httpx.AsyncClient, name: str, path: str, rounds: int) -> bool:
    """Ask for a page again and again, warm; returns whether its processor time is below the limit."""
    took: list[float] = []
    worked: list[float] = []
    answer = await client.get(path)
    for _ in range(rounds):
        begun, work = time.perf_counter(), time.process_time()
        answer = await client.get(path)
        took.append((time.perf_counter() - begun) * 1000)
        worked.append((time.process_time() - work) * 1000)
        assert answer.status_code == 200, (path, answer.status_code)
    cpu, size = statistics.median(worked), len(answer.content) / 1024
    print(
        f"{name:34} {min(took):8.1f} {statistics.median(took):8.1f} {max(took):8.1f} {cpu:8.1f}    {size:7.1f}"
    )
    return cpu < LIMIT_MS


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        directory = Path(made)
        (directory / "flows").mkdir()
        for number in range(FLOWS):
            namespace, flow = flow_of(number)
            text = FLOW.format(namespace=namespace, flow=flow)
            (directory / "flows" / f"{namespace}-{flow}.yaml").write_text(text)
        took = trio.run(fill, directory / "data", given.count)
        print(f"{given.count} executions written in {took:.1f} s")
        good = trio.run(measure, directory, given.count, given.rounds)
    print(f"{'every' if good else 'NOT every'} page below {LIMIT_MS:g} ms of processor time")
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
