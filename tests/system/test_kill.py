"""Power cuts: what was acknowledged is there afterwards, once, and finished."""

import os
import random
from pathlib import Path

import httpx
import pytest
import trio

from hookledger.journal.events import EpochStarted, JournalClosed
from hookledger.journal.sqlite import SqliteReader, partition_file

from .processes import executions, hookledger, serving, system_events, until

ROUNDS = int(os.environ.get("KILL_ROUNDS", "3"))
"""`make kill` runs ten."""
DELIVERIES = 200
CONNECTIONS = 16
SEED = int(os.environ.get("KILL_SEED", "20261124"))

FLOW = """
id: {name}
namespace: io.tests
tasks:
  - id: one
    type: io.kestra.plugin.core.debug.Return
    format: "{{{{ trigger.parameters.marker[0] }}}}"
{nap}
  - id: two
    type: io.kestra.plugin.core.debug.Return
    format: "{{{{ outputs.one.value }}}}!"
outputs:
  - id: marker
    type: STRING
    value: "{{{{ outputs.two.value }}}}"
triggers:
  - id: webhook
    type: io.kestra.plugin.core.trigger.Webhook
    key: kill-test
    wait: {wait}
"""
NAP = "  - id: nap\n    type: io.kestra.plugin.core.flow.Pause\n    delay: PT0.5S"
KINDS = {
    "waits": ("", "true"),
    "waits-long": (NAP, "true"),
    "goes": ("", "false"),
    "goes-long": (NAP, "false"),
}


class Senders:
    """Sixteen connections that deliver until the server is gone, and remember what was acknowledged."""

    def __init__(self, address: str, round_number: int) -> None:
        self._address = address
        self._next = iter([f"r{round_number}-{number}" for number in range(DELIVERIES)])
        self._kinds = list(KINDS)
        self.acknowledged: dict[str, str] = {}
        """Execution id to the marker it was sent."""

    async def run(self, enough: int, kill: trio.Event) -> None:
        """Deliver everything, or as much as the server lives; set `kill` after `enough` acknowledgements."""
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client, trio.open_nursery() as nursery:
            for _ in range(CONNECTIONS):
                nursery.start_soon(self._send, client, enough, kill)

    async def _send(self, client: httpx.AsyncClient, enough: int, kill: trio.Event) -> None:
        for number, marker in enumerate(self._next):
            kind = self._kinds[(number + len(self.acknowledged)) % len(self._kinds)]
            url = f"{self._address}/api/v1/main/executions/webhook/io.tests/{kind}/kill-test?marker={marker}"
            try:
                response = await client.post(url, content=b"payload")
            except httpx.TransportError:
                return  # never acknowledged: whether it exists is the server's secret
            assert response.status_code == 200, response.text
            self.acknowledged[response.json()["id"]] = marker
            if len(self.acknowledged) >= enough:
                kill.set()


@pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")  # httpx, when a send breaks off
async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """
    200 webhooks with and without wait on 16 connections, `kill -9` in the middle, several times over one journal:
    after each restart every acknowledged execution exists exactly once and is finished, and the journal verifies.
    """
    flows, data = tmp_path / "flows", tmp_path / "data"
    flows.mkdir()
    for name, (nap, wait) in KINDS.items():
        (flows / f"{name}.yaml").write_text(FLOW.format(name=name, nap=nap, wait=wait))
    chance = random.Random(SEED)
    acknowledged: dict[str, str] = {}
    for number in range(ROUNDS):
        enough = chance.randrange(DELIVERIES // 4, DELIVERIES * 3 // 4)
        acknowledged |= await _round(flows, data, number, enough)
        with serving(flows, data) as server:
            await until(lambda: not any(row.open for row in executions(data)))
            _check(data, acknowledged)
            assert server.interrupt()[0] == 0
        verified = hookledger("journal", "verify", "--data", data)
        assert verified.returncode == 0, verified.stdout
    events = system_events(data)
    assert sum(isinstance(event, EpochStarted) for event in events) == 2 * ROUNDS
    assert sum(isinstance(event, JournalClosed) for event in events) == ROUNDS, (
        "a killed server closes nothing"
    )


async def _round(flows: Path, data: Path, number: int, enough: int) -> dict[str, str]:
    with serving(flows, data) as server:
        senders, kill = Senders(server.address, number), trio.Event()
        with trio.fail_after(120):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(senders.run, enough, kill)
                await kill.wait()
                server.kill()
    assert enough <= len(senders.acknowledged) < DELIVERIES, "the kill came in the middle"
    return senders.acknowledged


def _check(data: Path, acknowledged: dict[str, str]) -> None:
    """Exactly once: one first entry per id, one execution per marker, the marker's own outputs."""
    rows = {row.execution: row for row in executions(data)}
    reader = SqliteReader(partition_file(data))
    try:
        first = [entry.header.exec for entry in reader.scan() if entry.header.n == 0]
        markers: list[str] = []
        for execution in rows:
            state = [event for entry in reader.entries(execution) for event in entry.events()]
            markers.append(getattr(state[0], "query", ""))
            assert sum(event.terminal for event in state) == 1
            expected = {"marker": markers[-1].removeprefix("marker=") + "!"}
            assert getattr(state[-1], "outputs", None) == expected
    finally:
        reader.close()
    assert len(first) == len(set(first))
    assert len(markers) == len(set(markers))
    for execution, marker in acknowledged.items():
        assert rows[execution].state == "SUCCESS"
        assert f"marker={marker}" in markers
