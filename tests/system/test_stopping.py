"""How a server stops: asked twice, or by what it cannot go on with; each is told in one line."""

import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

import httpx

from hookledger.journal.events import JournalClosed
from hookledger.journal.sqlite import partition_file

from .processes import (
    COMMAND,
    EXAMPLES,
    ROOT,
    SECONDS_MAX,
    environment,
    executions,
    hookledger,
    serving,
    system_events,
)

SLEEPER = """
id: nap
namespace: io.tests
tasks:
  - {id: nap, type: io.kestra.plugin.core.flow.Sleep, duration: PT1H}
triggers:
  - {id: webhook, type: io.kestra.plugin.core.trigger.Webhook, key: k, wait: true}
"""


def test_a_second_signal_stops_at_once(tmp_path: Path) -> None:
    """
    SIGTERM waits for who waits; another one does not, and the exit code says so.
    """
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows/nap.yaml").write_text(SLEEPER)
    with serving(tmp_path / "flows", tmp_path / "data", more={"HOOKLEDGER_GRACE": "PT1H"}) as server:
        caller = Thread(
            target=_call, args=(f"{server.address}/api/v1/main/executions/webhook/io.tests/nap/k",)
        )
        caller.start()
        while not executions(tmp_path / "data"):
            pass
        server.process.send_signal(signal.SIGTERM)
        assert server.process.stdout is not None
        line = server.process.stdout.readline()
        assert line == (
            "stopping: 1 requests and 0 tasks may end within 3600 s; a second signal stops at once\n"
        )
        server.process.send_signal(signal.SIGTERM)
        rest, _ = server.process.communicate(timeout=SECONDS_MAX)
        caller.join(SECONDS_MAX)
    assert (server.process.returncode, "Traceback" in rest) == (1, False), rest


def test_a_server_that_nobody_listens_to_goes_on_and_drains(tmp_path: Path) -> None:
    """
    Who read its output is gone: it serves, drains and closes the journal all the same, and the exit code says so.
    """
    flows, data = tmp_path / "flows", tmp_path / "data"
    flows.mkdir()
    (flows / "nap.yaml").write_text(SLEEPER.replace("PT1H", "PT0.2S"))
    with serving(flows, data) as server:
        assert server.process.stdout is not None
        server.process.stdout.close()
        url = f"{server.address}/api/v1/main/executions/webhook/io.tests/nap/k"
        answer = httpx.get(url, timeout=SECONDS_MAX, trust_env=False)
        caller = Thread(target=_call, args=(url,))
        caller.start()
        while len(executions(data)) < 2:
            pass
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(SECONDS_MAX) == 0
        caller.join(SECONDS_MAX)
    assert answer.status_code == 200
    assert [row.state for row in executions(data)] == ["SUCCESS", "SUCCESS"]
    assert isinstance(system_events(data)[-1], JournalClosed)


def _call(url: str) -> None:
    try:
        httpx.get(url, timeout=SECONDS_MAX, trust_env=False)
    except httpx.HTTPError:
        return


def test_a_journal_that_stops_is_told_in_one_line(tmp_path: Path) -> None:
    """
    The write-ahead log is deleted under a running server: one line says what and why, and the exit code is 1.
    """
    process = subprocess.Popen(
        [*COMMAND, "serve", str(EXAMPLES), "--data", str(tmp_path / "data"), "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
    )  # fmt: skip
    assert process.stdout is not None
    address = ""
    for line in process.stdout:
        if line.startswith("Hookledger listens on "):
            address = line.split()[3]
        if line.startswith("Ctrl-C"):
            break
    file = partition_file(tmp_path / "data")
    file.with_name(f"{file.name}-wal").unlink()
    hook = f"{address}/api/v1/main/executions/webhook/company.team/trigger/4wjtkzwVGBM9yKnjm3yv8r"
    answer = httpx.get(hook, timeout=SECONDS_MAX, trust_env=False)
    _, errors = process.communicate(timeout=SECONDS_MAX)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    (line,) = errors.strip().splitlines()
    assert "J003: the journal stopped because a commit failed" in line
    assert process.returncode == 1


def test_a_data_directory_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """
    One line with the directory and the system's reason; nothing speaks of listening.
    """
    (tmp_path / "data").write_text("a file")
    done = hookledger("serve", "--port", "0", "--data", tmp_path / "data")
    (line,) = done.stderr.strip().splitlines()
    assert done.returncode == 1
    assert str(tmp_path / "data") in line
    assert "listen" not in line


def test_an_embedding_program_is_told_who_has_the_journal(tmp_path: Path) -> None:
    """
    examples/embed.py beside a server on the same directory: one sentence names the process and the way out.
    """
    with serving(EXAMPLES, tmp_path / "data") as server:
        done = subprocess.run(
            [sys.executable, str(ROOT / "examples/embed.py"), str(tmp_path / "data")],
            capture_output=True, text=True, check=False, env=environment(), timeout=SECONDS_MAX,
        )  # fmt: skip
        (line,) = done.stderr.strip().splitlines()
        assert done.returncode == 1
        assert f"process {server.process.pid}" in line
        assert "another data directory" in line
