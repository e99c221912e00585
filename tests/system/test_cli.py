"""The command line as a newcomer meets it."""

import json
import shlex
import sqlite3
import subprocess
from pathlib import Path

from hookledger.journal.events import JournalClosed
from hookledger.journal.sqlite import partition_file

from .processes import EXAMPLES, SECONDS_MAX, environment, free_port, hookledger, serving, system_events


def shell(line: str) -> str:
    """Run a line as a user would paste it."""
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, check=True, timeout=SECONDS_MAX, env=environment()
    )
    return done.stdout


def test_what_serve_prints_can_be_pasted(tmp_path: Path) -> None:
    """
    The server prints its address, a curl line for every webhook and one for the API; each of them works as printed.
    For a webhook that wants a signature it prints the URL and what makes the line; both say when a secret is not set.
    """
    with serving(EXAMPLES, tmp_path / "data") as server:
        *webhooks, search = server.curl_lines()
        answers = {line: json.loads(shell(line) or "{}") for line in webhooks}
        sources = [path.read_text() for path in EXAMPLES.glob("*.yaml")]
        lines = [line.strip() for line in server.lines]
        signed = [number for number, line in enumerate(lines) if line.startswith("hookledger webhook curl ")]
        assert len(signed) == sum("signature:" in source for source in sources)
        assert len(answers) + len(signed) == sum("core.trigger.Webhook" in source for source in sources)
        for number in signed:
            assert json.loads(shell(f"curl -sS -X POST {lines[number - 1]}"))["status"] == 503
            made = hookledger(*shlex.split(lines[number])[1:])
            assert (made.returncode, "HOOKLEDGER_SECRET_" in made.stderr) == (1, True)
        assert {"greeting": "Hello world!"} in answers.values()
        (started,) = [answer for line, answer in answers.items() if "/company.team/trigger/" in line]
        assert started["flowId"] == "trigger"
        assert server.password not in search
        found = json.loads(shell(search.replace("-u admin ", f"-u admin:{server.password} ")))
        assert started["id"] in [execution["id"] for execution in found["results"]]
        assert "\n".join(server.lines).count(server.password) == 1


def test_ctrl_c_stops_it_in_good_order(tmp_path: Path) -> None:
    """
    SIGINT ends the server with exit code 0 and a JournalClosed as the last word of its stream.
    """
    with serving(EXAMPLES, tmp_path / "data") as server:
        code, rest = server.interrupt()
    assert (code, "Traceback" in rest) == (0, False), rest
    assert isinstance(system_events(tmp_path / "data")[-1], JournalClosed)
    assert hookledger("journal", "verify", "--data", tmp_path / "data").returncode == 0


def test_a_directory_has_one_server(tmp_path: Path) -> None:
    """
    A second server on the same data directory fails with one clear line that names the first.
    """
    with serving(EXAMPLES, tmp_path / "data") as server:
        second = hookledger("serve", EXAMPLES, "--data", tmp_path / "data", "--port", "0")
        assert second.returncode == 1
        (line,) = second.stderr.strip().splitlines()
        assert line.startswith("J001: ")
        assert f"process {server.process.pid}" in line
        assert hookledger("journal", "ls", "--data", tmp_path / "data").returncode == 0


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    """
    When the address is taken the server says so in one line, and makes neither a journal nor credentials.
    """
    with serving(EXAMPLES, tmp_path / "one") as server:
        port = server.address.rpartition(":")[2]
        second = hookledger("serve", EXAMPLES, "--data", tmp_path / "two", "--port", port)
    assert second.returncode == 1
    (line,) = second.stderr.strip().splitlines()
    assert line.startswith(f"cannot listen on 127.0.0.1:{port}: ")
    assert "in use" in line
    assert not (tmp_path / "two").exists()


def test_a_wrong_setting_is_said_in_one_line(tmp_path: Path) -> None:
    """
    A setting that cannot be used ends the command before it touches anything.
    """
    port = free_port()
    for more in ({"HOOKLEDGER_WAIT_LIMIT": "soon"}, {"HOOKLEDGER_PROT": "1"}, {"HOOKLEDGER_PORT": "x"}):
        done = hookledger("serve", EXAMPLES, "--data", tmp_path / "data", more=more)
        assert done.returncode == 2, (port, done.stdout)
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


def test_flow_validate_names_the_place(tmp_path: Path) -> None:
    """
    `flow validate` exits 0 for flows that can run, otherwise 1 with file, line, column and reason.
    """
    good = next(EXAMPLES.glob("*.yaml"))
    broken = tmp_path / "broken.yaml"
    broken.write_text(good.read_text() + "nonsense: true\n")
    assert hookledger("flow", "validate", good).returncode == 0
    done = hookledger("flow", "validate", good, broken, tmp_path / "none.yaml")
    assert done.returncode == 1
    line = len(broken.read_text().splitlines())
    assert f"{broken}:{line}:1: nonsense: unknown property `nonsense`" in done.stderr
    assert "none.yaml" in done.stderr


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    """
    One byte of a stored header or payload changed with a SQLite tool: verify fails and names the place.
    """
    with serving(EXAMPLES, tmp_path / "data") as server:
        for line in server.curl_lines()[:-1]:
            shell(line)
        server.interrupt()
    file = partition_file(tmp_path / "data")
    pristine = file.read_bytes()
    for column in ("header", "payload"):
        file.write_bytes(pristine)
        with sqlite3.connect(file) as connection:
            connection.execute("DROP TRIGGER entry_is_never_changed")
            position, execution, value = connection.execute(
                f"SELECT pos, exec, {column} FROM entry WHERE exec != 'system' ORDER BY pos LIMIT 1"
            ).fetchone()
            changed = bytearray(value)
            changed[len(changed) // 2] ^= 1
            connection.execute(f"UPDATE entry SET {column} = ? WHERE pos = ?", (bytes(changed), position))
        connection.close()
        done = hookledger("journal", "verify", "--data", tmp_path / "data")
        assert done.returncode != 0
        assert f"position {position}" in done.stdout, column
        assert execution in done.stdout
