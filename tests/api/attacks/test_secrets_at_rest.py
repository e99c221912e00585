"""Where else a secret could be read: the environment of the server, recorded headers, files of other namespaces."""

import json
import os
from pathlib import Path
from typing import Final
from urllib.parse import quote

import httpx
import pytest

from hookledger.api.webhook.files import Files
from hookledger.api.webhook.redaction import redact_key
from hookledger.journal.events import TriggerReceived
from hookledger.journal.sqlite import SqliteReader, partition_file
from tests.api.webhook.house import HOOK, flow, open_house
from tests.system.processes import serving

SECRETS: Final = {
    "HOOKLEDGER_SECRET_OTHER": "never-asked-for",
    "SECRET_KESTRA": "a2VzdHJhLXN0eWxl",
    "HOOKLEDGER_PASSWORD": "admin-password-1",
    "HOOKLEDGER_USERNAME": "admin",
    "HOOKLEDGER_ENCRYPTION_KEY": "key-of-the-inputs",
    "AWS_SECRET_ACCESS_KEY": "of-the-cloud",
}
LOOK: Final = r"""
id: look
namespace: t
tasks:
  - id: parent
    type: io.kestra.plugin.core.runner.Process
    failFast: false
    env: {ASKED: "{{ secret('OTHER') | upper }}"}
    commands:
      - "tr -s '\\0' '\\n' < /proc/$PPID/environ"
      - "echo from-env; env"
      - "grep -c . /proc/$PPID/cmdline"
      - "exit 0"
triggers: [{id: w, type: io.kestra.plugin.core.trigger.Webhook, key: k, wait: true}]
"""


def logged(data: Path, execution: str) -> str:
    """The lines of an execution's log."""
    reader = SqliteReader(partition_file(data))
    try:
        return "\n".join(line.message for line in reader.logs(execution))
    finally:
        reader.close()


def test_a_command_reads_no_secret_of_its_server(tmp_path: Path) -> None:
    """
    A task's command, which runs as the server's user, finds no secret in the server's environment, and in its own only
    what the flow gave it; the server still has them all.
    """
    flows = tmp_path / "flows"
    flows.mkdir()
    (flows / "look.yaml").write_text(LOOK)
    settings = ("--config", str(tmp_path / "hookledger.yaml"))
    (tmp_path / "hookledger.yaml").write_text("tasks: {processes: true}\n")
    with serving(flows, tmp_path / "data", *settings, more=SECRETS) as server:
        answer = httpx.post(f"{server.address}{HOOK}/t/look/k", timeout=30, trust_env=False)
        log = logged(tmp_path / "data", answer.json()["id"])
        auth = (SECRETS["HOOKLEDGER_USERNAME"], SECRETS["HOOKLEDGER_PASSWORD"])
        known = httpx.get(
            f"{server.address}/api/v1/main/flows/search", auth=auth, timeout=30, trust_env=False
        )
        shown = Path(f"/proc/{server.process.pid}/environ").read_bytes() if os.geteuid() == 0 else b""
    assert answer.json()["state"]["current"] == "SUCCESS", answer.text
    assert "from-env" in log
    assert known.status_code == 200
    own = log.partition("from-env")[2]
    assert "ASKED=" in own
    assert {line.partition("=")[0] for line in own.split("\n") if "=" in line} <= {
        "PATH",
        "LANG",
        "HOME",
        "ASKED",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
    }
    for name, value in SECRETS.items():
        assert f"{name}=" not in log, name
        assert value not in log, name
        assert value.encode() not in shown, name


KEYS: Final = ("a-long-secret-key", "k9", "näh/er?&=%41 key", "a.b*c(d)+long")


@pytest.mark.parametrize("key", KEYS)
async def test_a_key_is_recorded_nowhere(tmp_path: Path, key: str) -> None:
    """
    Proxies copy the URL into headers, and senders into the query: wherever the key stands there, as it is or
    percent-encoded once, twice or in part, it is not recorded.
    """
    source = flow("methods: [GET, POST]").replace("key: k\n", f"key: {json.dumps(key)}\n")
    encoded = quote(key, safe="")
    odd = "".join(f"%{byte:02X}" for byte in key.encode())
    path = f"{HOOK}/t/f/{encoded}"
    async with open_house(tmp_path, source) as house:
        headers = {
            "X-Original-URI": path, "X-Forwarded-Uri": f"{path}?a=b", "X-Envoy-Original-Path": f"{HOOK}/t/f/{odd}",
            "Referer": f"https://h.example{path}", "X-Rewrite-Url": f"{HOOK}/t/f/{quote(encoded, safe='')}",
            "Forwarded": f'for=1.2.3.4;path="{path}"', "X-Other": "kept", "Via": f"1.1 {encoded}",
        }  # fmt: skip
        answer = await house.client.get(f"{path}?next={path}&k9x=1&from={odd}", headers=headers)
        assert answer.status_code == 200
        (received,) = house.events(TriggerReceived)
        text = json.dumps([received.path, received.query, received.headers])
        for spelling in (key, encoded, odd, encoded.lower(), quote(encoded, safe="")):
            assert json.dumps(spelling)[1:-1] not in text.replace("k9x", ""), (spelling, text)
        assert ("x-other", "kept") in [(name.lower(), value) for name, value in received.headers]
        assert "k9x=1" in received.query


def test_a_short_key_leaves_other_words_alone() -> None:
    """
    A short key is replaced where it stands alone, as in a path, and not inside of other words.
    """
    assert redact_key("text/markdown, k, /webhook/a/k?x=k&kk=1", "k") == (
        "text/markdown, [redacted], /webhook/a/[redacted]?x=[redacted]&kk=1"
    )


def test_a_file_belongs_to_one_namespace(tmp_path: Path) -> None:
    """
    Names of flows and namespaces that look like the folders of files open nothing of another namespace.
    """
    files = Files(tmp_path)
    read = files.functions("sec")["fileExists"]
    own = ("sec/f/executions/E1/webhook/body", "sec/f/executions/E1/webhook/0/a.txt")
    others = (
        "sec/a/executions/executions/E1/webhook/body", "sec/a/executions/executions/E1/webhook/0/a.txt",
        "sec/a/executions/f/executions/E1/webhook/body", "sec/a/executions/x/webhook/f/executions/E1/webhook/0/a.txt",
        "other/f/executions/E1/webhook/body", "sec/f/executions/E1/body", "sec/executions/E1/webhook/body",
    )  # fmt: skip
    for relative in (*own, *others):
        place = tmp_path / relative
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("x")
    for relative in own:
        assert read(f"kestra:///{relative}"), relative
    for relative in others:
        with pytest.raises(ValueError, match="no file of the namespace"):
            read(f"kestra:///{relative}")
