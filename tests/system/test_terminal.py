"""No text of a sender, a flow file or a settings file steers the terminal of who reads it: every command, on a pty."""

import json
import os
import pty
import re
import subprocess
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import click
import httpx

from hookledger.api.cli import main

from .processes import COMMAND, SECONDS_MAX, environment, free_port

AUTH: Final = ("admin", "right")
STEERING: Final = (
    "\x1b[2J", "\x1b]0;owned\x07", "\x1b[35m", "\x07", "\x08", "\r", "\x7f", "\x9b31m", "\x9d0;owned\x9c", "\x85",
    "\u202e", "\u202a", "\u2066", "\u2069", "\u200e", "\u200f", "\u2028",
)  # fmt: skip
WILD: Final = "wild" + "".join(STEERING) + "\nforged line"
RAW: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|^forged")
OUR_COLOURS: Final = re.compile(r"\x1b\[(?:3[123]|0)m")
FLOW: Final = {
    "id": "wild",
    "namespace": "io.wild",
    "description": WILD,
    "labels": {"team": WILD},
    "tasks": [
        {"id": "say", "type": "io.kestra.plugin.core.log.Log", "message": "{{ trigger.body }}"},
        {"id": "out", "type": "io.kestra.plugin.core.debug.Return", "format": "{{ trigger.body }}"},
        {"id": "bad", "type": "io.kestra.plugin.core.execution.Fail", "errorMessage": "{{ trigger.body }}"},
    ],
    "outputs": [{"id": "word", "type": "STRING", "value": "{{ trigger.body }}"}],
    "triggers": [{"id": "webhook", "type": "io.kestra.plugin.core.trigger.Webhook", "key": WILD}],
}
BROKEN: Final = {**FLOW, "id": "broken", WILD: WILD, "namespace": WILD}


class Terminal:
    """A command on a terminal of its own, and what it wrote there."""

    def __init__(self, *arguments: str | Path, cwd: Path, more: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self._written = bytearray()
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd, env=environment({"TERM": "xterm", **more}),
        )  # fmt: skip
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # the other end is closed
            while piece := os.read(self._ours, 65_536):
                self._written += piece

    def type(self, prompt: str, text: str) -> None:
        """Type something once it is asked for."""
        self.until(prompt)
        os.write(self._ours, text.encode())

    def until(self, text: str) -> None:
        """Wait until it has written this; a terminal announces nothing."""
        end = time.monotonic() + SECONDS_MAX
        while text not in self.text:
            assert time.monotonic() < end, self.text
            assert self.process.poll() is None, self.text
            time.sleep(0.02)

    def ended(self) -> str:
        """What it wrote until its end."""
        self.process.wait(SECONDS_MAX)
        self._reader.join(SECONDS_MAX)
        os.close(self._ours)
        return self.text

    @property
    def text(self) -> str:
        """What it wrote so far; a terminal ends lines with CR LF."""
        return self._written.decode("utf-8", "surrogateescape").replace("\r\n", "\n")


def obeyed(text: str) -> list[str]:
    """What of a text a terminal would obey, but for our own colours; and lines that are not ours."""
    return [found for line in OUR_COLOURS.sub("", text).split("\n") for found in RAW.findall(line)]


def commands(of: click.Command = main, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command there is."""
    if not isinstance(of, click.Group):
        yield before
        return
    for name, command in of.commands.items():
        yield from commands(command, (*before, name))


@contextmanager
def served(directory: Path, more: dict[str, str]) -> Generator[tuple[str, Terminal]]:
    """A server on a terminal, with hostile flows in hostile files."""
    flows, port = directory / "flows", free_port()
    flows.mkdir()
    for name, source in (("wild", FLOW), ("broken\x1b[2J\u202e", BROKEN)):
        (flows / f"{name}.yaml").write_text(json.dumps(source), encoding="utf-8")
    (flows / "torn\x9b.yaml").write_bytes(b"id: x\n\x1b[2J: \xff")
    (flows / "yaml.yaml").write_text('id: "a\\x1b[2J\\nforged: 1"\nnamespace: [\n', encoding="utf-8")
    terminal = Terminal("serve", "flows", "--port", str(port), "--data", "data", cwd=directory, more=more)
    address = f"http://127.0.0.1:{port}"
    try:
        terminal.until("Ctrl-C stops it.")
        yield address, terminal
    finally:
        terminal.process.terminate()
        terminal.ended()


def visited(address: str) -> tuple[str, str]:
    """Deliveries, refusals and a token with hostile text; ids of an execution and of the token."""
    with httpx.Client(base_url=address, auth=AUTH, timeout=30, trust_env=False) as client:
        key = re.sub(r"[\s\S]", lambda found: "".join(f"%{byte:02x}" for byte in found[0].encode()), WILD)
        hook = f"/api/v1/main/executions/webhook/io.wild/wild/{key}"
        answer = client.post(
            f"{hook}?q={key}",
            content=WILD.encode(),
            headers=[(b"X-Wild", b"x\xc2\x9b2J"), (b"Content-Type", b"text/plain")],
        )
        assert answer.status_code == 200, answer.text
        execution: str = answer.json()["id"]
        client.request("GET", f"{hook}x", headers=[(b"User-Agent", b"x\xc2\x9b2J")])
        client.post(f"/api/v1/main/executions/{execution}/actions/note", json={"text": WILD})
        client.get("/api/v1/main/flows/search", auth=(WILD, "no"))
        made: Any = client.post("/api/v1/main/tokens", json={"name": "a\u00a0b", "role": "viewer"}).json()
        while client.get(f"/api/v1/main/executions/{execution}").json()["state"]["current"] != "FAILED":
            time.sleep(0.02)
        download = client.get(f"/api/v1/main/logs/{execution}/download")
        assert "wild" in download.text
        assert obeyed(download.text) == []
        return execution, str(made.get("id", "x"))


def test_no_command_lets_others_steer_the_terminal(tmp_path: Path) -> None:
    """
    Every command there is, shown hostile data on a pty: control characters (C0, C1), escape sequences, marks of
    direction and line ends of others come out as their escapes; only our own colours are sequences.
    """
    secret = {"HOOKLEDGER_USERNAME": AUTH[0], "HOOKLEDGER_PASSWORD": AUTH[1]}
    (tmp_path / "vars.yaml").write_text(json.dumps({"wild": WILD}), encoding="utf-8")
    (tmp_path / "set.yaml").write_text(
        json.dumps({"server": {"publicUrl": f"https://{WILD}"}}), encoding="utf-8"
    )
    (tmp_path / "unset.yaml").write_text(json.dumps({WILD: WILD}), encoding="utf-8")
    shown: dict[tuple[str, ...], str] = {}
    with served(tmp_path, secret) as (address, server):
        execution, token = visited(address)
        data = ("--data", "data")
        runs: dict[tuple[str, ...], list[tuple[str, ...]]] = {
            ("journal", "ls"): [data, (*data, "--json")],
            ("journal", "show"): [(execution, *data), (execution, "--json", *data)],
            ("journal", "logs"): [(execution, *data), (execution, "--json", *data)],
            ("journal", "deliveries"): [data, (*data, "--json")],
            ("journal", "tail"): [(*data, "-n", "100"), (*data, "--json")],
            ("journal", "stats"): [data],
            ("journal", "verify"): [data, (*data, execution)],
            ("journal", "replay"): [(execution, *data)],
            ("webhook", "url"): [("flows/wild.yaml",), ("flows/broken\x1b[2J\u202e.yaml",)],
            ("webhook", "curl"): [("flows/wild.yaml",), ("flows/broken\x1b[2J\u202e.yaml",)],
            ("webhook", "sign"): [("--preset", "GITHUB", "--secret", "s", "-d", "x")],
            ("token", "create"): [(WILD, "--role", "viewer", "--address", address)],
            ("token", "list"): [("--address", address), ("--json", "--address", address)],
            ("token", "revoke"): [(WILD, "--address", address), (token, "--address", address)],
            ("user", "reset"): [("--data", f"gone{WILD[:40]}".replace("/", "_").replace("\0", "")), data],
            ("config", "show"): [("--config", "set.yaml"), ("--config", "unset.yaml")],
            ("flow", "validate"): [tuple(map(str, sorted((tmp_path / "flows").iterdir())))],
            ("flow", "schema"): [()],
            ("flow", "render"): [("{{ wild }}", "--vars", "vars.yaml"), ("{{ wild | number }}", "--vars", "vars.yaml"),
                                 ("{{ trigger.body }}", "--execution", execution, *data)],
        }  # fmt: skip
        for words, ways in runs.items():
            for way in ways:
                text = Terminal(*words, *way, cwd=tmp_path, more=secret).ended()
                shown[words] = shown.get(words, "") + text
                if words == ("flow", "render"):  # the value itself may have lines
                    text = re.sub(r"(?m)^forged line$", "", text)
                text = re.sub(
                    r"\r(?:\d+ of \d+ entries checked \(\d+ %\)| +(?=\r)|(?=checked ))", "", text
                )  # our own progress
                assert obeyed(text) == [], (words, way, text)
        hashed = Terminal("user", "hash", cwd=tmp_path, more=secret)
        hashed.type("Password: ", "word\x07\n")
        hashed.type("confirmation: ", "word\x07\n")
        shown["user", "hash"] = hashed.ended()
        assert obeyed(server.text) == [], server.text
        shown["serve",] = server.text
    shown["journal", "reindex"] = Terminal(
        "journal", "reindex", "--data", "data", cwd=tmp_path, more=secret
    ).ended()
    assert set(shown) == set(commands())
    assert "not loaded" in shown["serve",]
    for words in (
        ("journal", "logs"),
        ("journal", "show"),
        ("flow", "validate"),
        ("flow", "render"),
        ("config", "show"),
    ):
        assert "wild" in shown[words], words
