"""Starting a flow by hand: JSON or a form, labels and revision in the query, and asking beforehand."""

from pathlib import Path
from typing import Any, Final

from .site import USER, Site, open_site

START: Final = "/api/v1/main/executions/io.tests/typed"
TYPED: Final = """id: typed
namespace: io.tests
inputs:
  - {id: name, type: STRING}
  - {id: often, type: INT, required: false}
  - {id: more, type: JSON, required: false}
tasks:
  - {id: out, type: io.kestra.plugin.core.debug.Return, format: "{{ inputs.name }} {{ inputs.often ?? 0 }}"}
"""
JSON: Final = {"inputs": {"name": "Ann"}}


async def post(site: Site, path: str, **more: Any) -> Any:
    """Send an authenticated request."""
    return await site.client.post(path, auth=USER, **more)


async def test_a_forms_fields_are_the_inputs(tmp_path: Path) -> None:
    """
    multipart/form-data, as Kestra's clients send it, is typed like any other input; JSON beside it stays.
    """
    fields = {"name": (None, "Ann"), "often": (None, "3"), "more": (None, '{"a": [1]}')}
    async with open_site(tmp_path, {"t": TYPED}) as site:
        form = (await post(site, f"{START}?wait=true", files=fields)).json()
        plain = (await post(site, f"{START}?wait=true", json=JSON)).json()
    assert form["inputs"] == {"name": "Ann", "often": 3, "more": {"a": [1]}}
    assert form["taskRunList"][0]["outputs"] == {"value": "Ann 3"}
    assert plain["state"]["current"] == "SUCCESS"


async def test_the_query_has_labels_and_revision(tmp_path: Path) -> None:
    """
    `labels=key:value` is repeatable, a value may hold a colon; `revision` runs an older one.
    """
    async with open_site(tmp_path, {"t": TYPED}) as site:
        changed = TYPED.replace("id: out", "id: newer")
        await site.client.put(
            "/api/v1/main/flows/io.tests/typed",
            content=changed,
            auth=USER,
            headers={"Content-Type": "text/yaml"},
        )
        path = f"{START}?wait=true&revision=1&labels=ticket:42&labels=url:http://x"
        old = (await post(site, path, json=JSON)).json()
        missing = await post(site, f"{START}?revision=7", json=JSON)
    assert {one["key"]: one["value"] for one in old["labels"]}.items() >= {
        "ticket": "42",
        "url": "http://x",
    }.items()
    assert (old["flowRevision"], old["taskRunList"][0]["taskId"]) == (1, "out")
    assert (missing.status_code, missing.json()["detail"].endswith("io.tests/typed has no revision 7")) == (
        409,
        True,
    )


async def test_inputs_are_checked_without_a_start(tmp_path: Path) -> None:
    """
    `validate` answers 200 with each input: its declaration, what it comes to, whether that is the default, whether it
    counts, and what is wrong; secrets stay hidden, and the journal stays as it was.
    """
    more = (
        "  - {id: kind, type: SELECT, values: [a, b], defaults: a, description: 7}\n"
        "  - {id: extra, type: STRING, dependsOn: {inputs: [kind], condition: \"{{ inputs.kind == 'b' }}\"}}\n"
        "  - {id: pin, type: SECRET, required: false}\n"
        '  - {id: late, type: STRING, defaults: "{{ nothing.here }}"}\n'
    )
    async with open_site(tmp_path, {"t": TYPED.replace("tasks:", f"{more}tasks:")}) as site:
        before = site.journal_bytes()
        good = await post(site, f"{START}/validate", files={"name": (None, "Ann"), "late": (None, "x")})
        wish = {"inputs": {"often": "many", "pin": "1234", "typo": 1}}
        bad = await post(site, f"{START}/validate", json=wish)
        refused = await post(site, START, json=wish)
        assert site.journal_bytes() == before
    assert (good.status_code, bad.status_code, refused.status_code) == (200, 200, 422)
    fine = {one["input"]["id"]: one for one in good.json()["inputs"]}
    assert {name: one["value"] for name, one in fine.items()} == {
        "name": "Ann", "often": None, "more": None, "kind": "a", "extra": None, "pin": None, "late": "x",
    }  # fmt: skip
    assert [name for name, one in fine.items() if one["isDefault"]] == ["kind"]
    assert [name for name, one in fine.items() if not one["enabled"]] == ["extra"]
    assert fine["kind"]["input"] == {
        "id": "kind", "type": "SELECT", "values": ["a", "b"], "defaults": "a", "required": True, "description": "7",
    } | {key: value for key, value in fine["kind"]["input"].items() if key not in ("id", "type")}  # fmt: skip
    assert not any(one["errors"] for one in fine.values())
    wrong = {one["input"]["id"]: one for one in bad.json()["inputs"] if one["errors"]}
    assert set(wrong) == {"name", "often", "typo", "late"}
    assert [name for name, one in wrong.items() if one["errors"][0]["renderError"]] == ["late"]
    assert all(name in one["errors"][0]["message"] for name, one in wrong.items())
    assert "1234" not in bad.text
    assert {fault["path"] for fault in refused.json()["errors"]} == set(wrong)


async def test_what_cannot_be_taken_starts_nothing(tmp_path: Path) -> None:
    """
    A file, a broken form, another media type, wishes and labels that are not the caller's: refused with what to do.
    """
    boundary = {"Content-Type": "multipart/form-data; boundary=x"}
    async with open_site(tmp_path, {"t": TYPED}) as site:
        answers = [
            await post(site, START, files={"name": ("a.txt", b"Ann")}),
            await post(site, START, content=b"--x\r\nbroken", headers=boundary),
            await post(site, START, content=b"", headers={"Content-Type": "multipart/form-data"}),
            await post(
                site,
                START,
                content=b"name=Ann",
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            ),
            await post(site, f"{START}?scheduleDate=2030-01-01T00:00:00Z", json=JSON),
            await post(site, f"{START}?breakpoints=out", json=JSON),
            await post(site, f"{START}?kind=TEST", json=JSON),
            await post(site, f"{START}?labels=system.from:elsewhere", json=JSON),
        ]
        assert site.executions() == set()
    assert [answer.status_code for answer in answers] == [422, 422, 422, 415, 422, 422, 400, 422]
    words = (
        "is a file",
        "cannot be read",
        "a `boundary`",
        "send JSON",
        "Schedule trigger",
        "Pause task",
        "kind=TEST",
        "set by the engine",
    )
    for answer, word in zip(answers, words, strict=True):
        assert word in answer.json()["detail"], answer.json()


async def test_no_body_is_as_good_as_an_empty_one(tmp_path: Path) -> None:
    """
    A tool that sends a media type although it sends nothing is not refused for it; a correlation may be given.
    """
    source = TYPED.replace("name, type: STRING", "name, type: STRING, defaults: Bob")
    async with open_site(tmp_path, {"t": source}) as site:
        path = f"{START}?wait=true&labels=system.correlationId:order-7"
        answer = await post(site, path, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 200
    assert {"key": "system.correlationId", "value": "order-7"} in answer.json()["labels"]
