"""Equal deliveries around a kill -9: whatever dies when, one key starts one execution."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import trio

from hookledger.journal.events import TriggerReceived
from hookledger.journal.sqlite import SqliteReader, partition_file
from hookledger.journal.verify import SqliteSource, verify

from .house import HOOK, flow

# A connection that breaks while httpx sends leaves its body's generator to the garbage collector: the client's doing.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

TASKS = (
    "  - {id: nap, type: io.kestra.plugin.core.flow.Sleep, duration: PT0.3S}\n"
    '  - {id: out, type: io.kestra.plugin.core.debug.Return, format: "{{ uuid() }}"}'
)
OUTPUTS = 'outputs:\n  - {id: value, type: STRING, value: "{{ outputs.out.value }}"}\n'


@contextmanager
def server(directory: Path) -> Generator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, and its address."""
    command = [sys.executable, "-c", "from hookledger.api.cli import main; main()", "serve"]
    flags = [str(directory / "flows"), "--data", str(directory / "data"), "--port", "0"]
    roots = os.pathsep.join(path for path in sys.path if path)
    process = subprocess.Popen(
        [*command, *flags], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": roots}
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                yield process, found[0]
                break
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


async def fifty(address: str, answers: list[httpx.Response]) -> None:
    """50 equal deliveries at once; those that break off have no answer."""
    async with httpx.AsyncClient(
        timeout=20, trust_env=False, limits=httpx.Limits(max_connections=60)
    ) as client:

        async def one() -> None:
            try:
                url = f"{address}{HOOK}/t/f/k"
                answers.append(await client.post(url, json={"a": 1}, headers={"Idempotency-Key": "one"}))
            except httpx.TransportError:
                return

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(one)


def started(directory: Path) -> list[str]:
    """The executions in the journal."""
    reader = SqliteReader(partition_file(directory / "data"))
    try:
        return [
            entry.header.exec
            for entry in reader.scan()
            if any(isinstance(event, TriggerReceived) for event in entry.events())
        ]
    finally:
        reader.close()


@pytest.mark.parametrize("extra", ["", "wait: true\nreturnOutputs: true"])
@pytest.mark.parametrize("after", [0.02, 0.15])
async def test_fifty_with_a_kill_in_between(tmp_path: Path, extra: str, after: float) -> None:
    """
    50 equal deliveries, kill -9 among them, restart, the same 50 again: one execution, equal answers, a whole journal.
    """
    (tmp_path / "flows").mkdir()
    source = flow(f"deduplication: {{}}\n{extra}", tasks=TASKS, more=OUTPUTS)
    (tmp_path / "flows" / "f.yaml").write_text(source, encoding="utf-8")
    before: list[httpx.Response] = []
    with server(tmp_path) as (process, address):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fifty, address, before)
            await trio.sleep(after)
            process.send_signal(signal.SIGKILL)
    answers: list[httpx.Response] = []
    with server(tmp_path) as (_, address):
        await fifty(address, answers)
    assert {answer.status_code for answer in answers} == {200}
    assert len(answers) == 50
    assert len({answer.content for answer in answers}) == 1
    assert len(started(tmp_path)) == 1
    acknowledged = {answer.content for answer in before if answer.status_code == 200}
    assert acknowledged <= {answers[0].content}, "what was answered before the kill is answered after it"
    verified = SqliteSource(partition_file(tmp_path / "data"))
    assert verify(verified).ok
    verified.close()
    assert json.loads(answers[0].content)
