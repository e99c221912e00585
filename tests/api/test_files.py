"""Files of executions over the API, and the flow of an execution: only what belongs to it, and only as bytes."""

from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest

from .identity.people import PEOPLE, password_of
from .site import USER, Site, flow, open_site

STORE: Final = "    fetchType: STORE\n    wait: true\n"
SECRET: Final = "a-literal-secret-of-ours"
HTML: Final = b"<script>alert(1)</script>"
WIDE: Final = f"""
id: wide
namespace: io.tests
description: 2
labels: {{a: 1}}
inputs: [{{id: n, type: INT, required: false}}]
variables: {{password: {SECRET}}}
tasks:
  - id: choice
    type: io.kestra.plugin.core.flow.If
    condition: "{{{{ true }}}}"
    then: [{{id: a, type: io.kestra.plugin.core.debug.Return, format: "{SECRET}"}}]
    else: [{{id: b, type: io.kestra.plugin.core.flow.Sleep, duration: PT1S}}]
  - {{id: ask, type: io.kestra.plugin.core.flow.Pause, onResume: [{{id: ok, type: BOOLEAN}}]}}
  - {{id: sub, type: io.kestra.plugin.core.flow.Subflow, namespace: io.tests, flowId: f, wait: false}}
errors: [{{id: e, type: io.kestra.plugin.core.debug.Return, format: x}}]
triggers: [{{id: w, type: io.kestra.plugin.core.trigger.Webhook, key: {SECRET}}}]
"""


async def get(site: Site, execution: str, path: str, end: str = "", user: Any = USER) -> httpx.Response:
    """Ask for a file by its URI."""
    route = f"/api/v1/main/executions/{execution}/file{end}?path={quote(path, safe='')}"
    return await site.client.get(route, auth=user)


def uri_of(execution: str, name: str = "body", space: str = "io/tests/f") -> str:
    return f"kestra:///{space}/executions/{execution}/webhook/{name}"


async def test_a_file_is_handed_out_as_bytes(tmp_path: Path) -> None:
    """
    Body and uploaded files come byte for byte, as attachments that no browser shows; `metas` has the size.
    """
    async with open_site(tmp_path, {"f": flow("f", trigger=STORE)}, auth__users=PEOPLE) as site:
        large = HTML * 40_000
        one = (await site.call("f", method="POST", content=large)).json()["id"]
        viewer = ("the-viewer", password_of("viewer"))
        files = sorted((tmp_path / "data" / "files").rglob(f"*{one}/webhook/*"))
        uris = [f"kestra:///{file.relative_to(tmp_path / 'data' / 'files')}" for file in files]
        answer = await get(site, one, uris[0], user=viewer)
        metas = await get(site, one, uris[0], "/metas")
        nobody = await site.client.get(f"/api/v1/main/executions/{one}/file?path={uris[0]}")
    assert len(uris) == 1
    assert answer.content == large
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox"
    assert metas.json() == {"size": len(large)}
    assert nobody.status_code == 401


async def test_only_files_of_the_execution_are_handed_out(tmp_path: Path) -> None:
    """
    Another execution's file, another flow's, another namespace's, the server's own, other spellings, links: 422 that
    says what may be asked for; a file that is not there and an unknown execution are 404.
    """
    async with open_site(tmp_path, {"f": flow("f", trigger=STORE), "g": flow("g", trigger=STORE)}) as site:
        one, two = [(await site.call("f", method="POST", content=b"mine")).json()["id"] for _ in range(2)]
        other = (await site.call("g", method="POST", content=b"theirs")).json()["id"]
        home = tmp_path / "data" / "files" / "io" / "tests" / "f" / "executions" / one / "webhook"
        [name] = [file.name for file in home.iterdir()]
        (home / "link").symlink_to(tmp_path / "data" / "partition-0.sqlite3")
        (home / "up").symlink_to(tmp_path)
        own = uri_of(one, name)
        foreign = [
            uri_of(two, name), uri_of(other, name, "io/tests/g"), uri_of(one, name, "io/tests/g"),
            uri_of(one, name, "io/other/f"), uri_of(one, f"../webhook/{name}"), uri_of(one, f"./{name}"),
            uri_of(one, f"/{name}"), uri_of(one, f"{name}/"), uri_of(one, ""), uri_of(one, f"a/b/{name}"),
            uri_of(one, "link"), uri_of(one, "up/data"), uri_of(one, "..%2f" + name), uri_of(one, name + "\0"),
            uri_of(one, f"..\\{name}"), own.replace("///", "//"), own.upper(), "/etc/passwd",
            "file:///etc/passwd", "kestra:////etc/passwd", "kestra:///../../partition-0.sqlite3",
            "nsfile:///x", "", own + "?x", own + "#x", f"{uri_of(one, name)}\n", "kestra:///" + "a/" * 3000,
        ]  # fmt: skip
        answers = [await get(site, one, path, end) for path in foreign for end in ("", "/metas")]
        there = await get(site, one, own)
        missing = [await get(site, one, uri_of(one, "none")), await get(site, "nobody", own)]
        nothing = await site.client.get(f"/api/v1/main/executions/{one}/file", auth=USER)
    assert there.content == b"mine"
    assert [answer.status_code for answer in answers] == [422] * len(answers)
    assert all("`path`" in answer.json()["detail"] for answer in answers)
    assert b"SQLite" not in b"".join(answer.content for answer in answers)
    assert [answer.status_code for answer in missing] == [404, 404]
    assert "none" in missing[0].json()["detail"]
    assert (nothing.status_code, nothing.json()["detail"]) == (400, "the parameter `path` is missing")


@pytest.mark.parametrize("role", ["viewer", "admin"])
async def test_the_flow_of_an_execution_is_an_outline(tmp_path: Path, role: str) -> None:
    """
    Its tasks with their types and what is inside them, no properties of tasks and triggers; in the revision that runs;
    who may not start it sees no literal secret.
    """
    sources = {"wide": WIDE, "f": flow("f")}
    async with open_site(tmp_path, sources, auth__users=PEOPLE) as site:
        execution = (await site.call("wide", key=SECRET)).json()["id"]
        newer = WIDE.replace("id: e,", "id: later,")
        head = {"Content-Type": "application/x-yaml"}
        await site.client.put("/api/v1/main/flows/io.tests/wide", content=newer, auth=USER, headers=head)
        user = (f"the-{role}", password_of(role))
        answer = await site.client.get(f"/api/v1/main/executions/{execution}/flow", auth=user)
        unknown = await site.client.get("/api/v1/main/executions/nobody/flow", auth=user)
    shown = answer.json()
    kind = "io.kestra.plugin.core"
    assert (shown["id"], shown["namespace"], shown["revision"], shown["description"]) == (
        "wide",
        "io.tests",
        1,
        "2",
    )
    assert shown["labels"] == [{"key": "a", "value": "1"}]
    assert shown["tasks"] == [
        {
            "id": "choice",
            "type": f"{kind}.flow.If",
            "tasks": [{"id": "a", "type": f"{kind}.debug.Return"}, {"id": "b", "type": f"{kind}.flow.Sleep"}],
        },
        {"id": "ask", "type": f"{kind}.flow.Pause", "inputs": [{"id": "ok", "type": "BOOLEAN"}]},
        {
            "id": "sub",
            "type": f"{kind}.flow.Subflow",
            "subflowId": {"namespace": "io.tests", "flowId": "f"},
        },
    ]
    assert [one["id"] for one in shown["errors"]] == ["e"]
    assert shown["triggers"] == [{"id": "w", "type": f"{kind}.trigger.Webhook"}]
    assert (SECRET in answer.text) == (role == "admin")
    assert "source" not in shown
    assert unknown.status_code == 404
