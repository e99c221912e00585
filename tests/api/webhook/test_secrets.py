"""Row 67: no secret stands in the journal's files, in what the server prints, or in any answer."""

import base64
import os
import re
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx

from .house import HOOK, USER, flow

SECRETS = {
    "HOOK_KEY": "the-url-key+ü", "OLD_KEY": "the-old-key", "SIGNING": "signing secret", "BASIC": "basic-pass-word",
    "BEARER": "bearer-token-value", "HEADER": "header-value-xyz", "QUERY": "query-value-xyz",
    "VERIFY": "verify-value-xyz", "TASK": "task-secret-value", "CONDITION": "condition-secret-value",
}  # fmt: skip
SENT = {
    "Authorization": "Bearer sent-token-value", "Cookie": "sid=sent-cookie-value", "X-Api-Key": "sent-api-key-value",
    "Proxy-Authorization": "Basic sent-proxy-value", "X-Auth-Token": "sent-auth-token", "X-Gitlab-Token": "sent-gitlab",
}  # fmt: skip
WAYS = """authentication:
  - {type: BASIC, username: u, password: "{{ secret('BASIC') }}"}
  - {type: BEARER, token: "{{ secret('BEARER') }}"}
  - {type: HEADER, name: X-Acme-Key, value: "{{ secret('HEADER') }}"}
  - {type: QUERY, name: acme, value: "{{ secret('QUERY') }}"}
"""
TASKS = (
    "  - {id: log, type: io.kestra.plugin.core.log.Log, message: \"{{ secret('TASK') }} {{ trigger }}\"}\n"
    "  - {id: out, type: io.kestra.plugin.core.debug.Return, format: \"{{ secret('TASK') }}\"}"
)
PARTS = (
    "previousKeys: [{key: \"{{ secret('OLD_KEY') }}\", expires: '2020-01-01T00:00:00Z'}]\n",
    "deduplication: {key: \"{{ trigger.parameters.d[0] ?? '' }}\"}\n",
    "when: \"{{ (trigger.body ?? '') != secret('CONDITION') }}\"\n",
)


def sources() -> Iterator[str]:
    """Flows that use a secret wherever one can stand."""
    common = "".join(PARTS) + "wait: true"
    yield keyed(
        flow(
            f"signature: {{preset: GITLAB_TOKEN, secret: \"{{{{ secret('SIGNING') }}}}\"}}\n{common}",
            tasks=TASKS,
        )
    )
    yield keyed(flow(WAYS + common, name="g", tasks=TASKS))
    yield keyed(
        flow(
            f"handshake: [{{type: META, verifyToken: \"{{{{ secret('VERIFY') }}}}\"}}]\n{common}",
            name="h",
            tasks=TASKS,
        )
    )


def keyed(source: str) -> str:
    """The same flow, whose key is a secret."""
    return source.replace("key: k\n", "key: \"{{ secret('HOOK_KEY') }}\"\n", 1)


def call_everything(client: httpx.Client) -> Iterator[httpx.Response]:
    """Good and bad requests with secrets in every place."""
    key, old = quote(SECRETS["HOOK_KEY"], safe=""), SECRETS["OLD_KEY"]
    tail = "?access_token=sent-access-token&a=1"
    basic = base64.b64encode(f"u:{SECRETS['BASIC']}".encode()).decode()
    rows = [
        ("POST", f"f/{key}{tail}", {"X-Gitlab-Token": SECRETS["SIGNING"]}, b"x"), ("POST", f"f/{key}{tail}", {}, b"x"),
        ("POST", f"f/{old}{tail}", {}, b""), ("POST", f"f/{key}x{tail}", {}, b""),
        ("POST", f"f/{key}/more{tail}", {}, b""), ("DELETE", f"f/{key}{tail}", {}, b""),
        ("OPTIONS", f"f/{key}{tail}", {}, b""), ("PUT", f"none/{key}{tail}", {}, b""),
        ("POST", f"g/{key}{tail}", {"Authorization": f"Basic {basic}"}, b"{"),
        ("POST", f"g/{key}{tail}", {"Authorization": f"Bearer {SECRETS['BEARER']}"}, b"{}"),
        ("POST", f"g/{key}{tail}", {"X-Acme-Key": SECRETS["HEADER"]}, b"{}"), ("POST", f"g/{key}{tail}", {}, b"{}"),
        ("POST", f"g/{key}?acme={SECRETS['QUERY']}", {}, b"{}"),
        ("POST", f"g/{key}?acme=x{SECRETS['QUERY']}", {"Authorization": "Basic !"}, b"{}"),
        ("GET", f"h/{key}?hub.mode=subscribe&hub.challenge=1&hub.verify_token={SECRETS['VERIFY']}", {}, b""),
        ("GET", f"h/{key}?hub.mode=subscribe&hub.challenge=1&hub.verify_token=x{SECRETS['VERIFY']}", {}, b""),
        ("POST", f"h/{key}{tail}", {"Content-Encoding": "gzip"}, b"no gzip"), ("POST", f"h/{key}{tail}", {}, b"y"),
    ]  # fmt: skip
    for method, path, more, body in rows:
        yield client.request(method, f"{HOOK}/t/{path}", headers={**SENT, **more}, content=body)


def read_everything(client: httpx.Client, data: Path) -> Iterator[bytes]:
    """What the API and the command line show of it afterwards."""
    client.auth = httpx.BasicAuth(*USER)
    listed = client.get("/api/v1/main/executions/search").json()["results"]
    assert len(listed) >= 5
    for execution in listed:
        for part in ("", "/events", "/state", "/follow"):
            yield client.get(f"/api/v1/main/executions/{execution['id']}{part}").content
        yield client.get(f"/api/v1/main/logs/{execution['id']}").content
    for name in ("f", "g", "h"):
        yield client.get(f"/api/v1/main/triggers/t/{name}/w/deliveries").content
        yield client.get(f"/api/v1/main/flows/t/{name}?source=true").content
    yield client.get("/api/v1/main/webhooks/openapi.json").content
    for arguments in (["tail"], ["deliveries"], ["ls"], ["show", listed[0]["id"]], ["logs", listed[0]["id"]]):
        command = [sys.executable, "-c", "from hookledger.api.cli import main; main()", "journal", *arguments]
        told = subprocess.run(
            [*command, "--data", str(data)], capture_output=True, check=False, env=environment()
        )
        yield told.stdout + told.stderr


def environment() -> dict[str, str]:
    """Of the server and of the command line."""
    roots = os.pathsep.join(path for path in sys.path if path)
    secrets = {f"HOOKLEDGER_SECRET_{name}": value for name, value in SECRETS.items()}
    user = {"HOOKLEDGER_USERNAME": USER[0], "HOOKLEDGER_PASSWORD": USER[1]}
    return {**os.environ, **secrets, **user, "PYTHONPATH": roots}


@contextmanager
def server(directory: Path, printed: list[str]) -> Generator[str]:
    """A server in a process of its own; everything it prints is kept."""
    command = [
        sys.executable,
        "-c",
        "from hookledger.api.cli import main; main()",
        "serve",
        str(directory / "flows"),
    ]
    process = subprocess.Popen(
        [*command, "--data", str(directory / "data"), "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(),
    )  # fmt: skip
    assert process.stdout is not None
    try:
        for line in process.stdout:
            printed.append(line)
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                yield found[0]
                break
    finally:
        process.terminate()
        printed.append(process.communicate(timeout=20)[0])


def forms(value: str) -> Iterator[bytes]:
    """How a secret may stand somewhere."""
    raw = value.encode()
    yield from (
        raw,
        base64.b64encode(raw).rstrip(b"="),
        base64.urlsafe_b64encode(raw).rstrip(b"="),
        raw.hex().encode(),
    )
    yield from (quote(value).encode(), quote(value, safe="").encode(), value.encode("unicode-escape"))
    yield value.encode("latin-1")


def test_no_secret_is_found_anywhere(tmp_path: Path) -> None:
    """
    Deliveries that are accepted, refused and unreachable, with secrets in keys, headers, parameters, credentials and
    tasks: none of them is in a file, in the output, in an answer, in the API or in the command line's.
    """
    (tmp_path / "flows").mkdir()
    for index, source in enumerate(sources()):
        (tmp_path / "flows" / f"{index}.yaml").write_text(source, encoding="utf-8")
    printed: list[str] = []
    with server(tmp_path, printed) as address, httpx.Client(base_url=address, trust_env=False) as client:
        answers = list(call_everything(client))
        shown = b"".join(read_everything(client, tmp_path / "data"))
    assert {200, 401, 403, 404, 405, 410, 400} <= {answer.status_code for answer in answers}
    said = b"".join(repr(answer.headers.multi_items()).encode() + answer.content for answer in answers)
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    places = {"answers": said, "shown": shown, "printed": "".join(printed).encode()}
    places |= {str(path.relative_to(tmp_path)): path.read_bytes() for path in files}
    assert any("sqlite3" in place for place in places)
    assert b"X-Gitlab-Token" in places["answers"], "headers are shown, their values are not"
    secrets = [*SECRETS.values(), *(value.split()[-1].removeprefix("sid=") for value in SENT.values())]
    secrets += ["sent-access-token", f"u:{SECRETS['BASIC']}"]
    assert [
        (value, place)
        for value in secrets
        for form in forms(value)
        for place in places
        if form in places[place]
    ] == []
